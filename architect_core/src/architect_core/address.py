"""Says where its names are now."""

raise ImportError("architect_core.address is now a part of architect_core.contract")
