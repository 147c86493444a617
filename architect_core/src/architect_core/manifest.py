raise ImportError("architect_core.manifest is now architect_core.schema.manifest")
