raise ImportError("architect_rest.double is now architect_rest.doubles")
