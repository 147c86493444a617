"""Names, addresses, files and JSON, for all layers of the core above."""
