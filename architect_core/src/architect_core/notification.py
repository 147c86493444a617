raise ImportError("architect_core.notification is now a part of architect_core.contract")
