raise ImportError("architect_core.address is now a part of architect_core.contract")
