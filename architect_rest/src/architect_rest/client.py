raise ImportError("architect_rest.client is now architect_rest.sync.client")
