raise ImportError("architect_core.config is now a part of architect_core.schema")
