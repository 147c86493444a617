"""What a run consists of: manifests, overrides, environments and ports."""
