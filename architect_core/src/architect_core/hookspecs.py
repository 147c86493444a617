raise ImportError("architect_core.hookspecs is now a part of architect_core.contract")
