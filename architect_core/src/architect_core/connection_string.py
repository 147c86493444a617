raise ImportError("architect_core.connection_string is now architect_datastore.kit: pip install architect-datastore")
