raise ImportError("architect_core.datastore is now a part of architect_core.contract")
