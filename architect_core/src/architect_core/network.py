raise ImportError("architect_core.network is now architect_datastore.kit: pip install architect-datastore")
