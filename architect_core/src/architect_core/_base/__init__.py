"""Names, addresses, files and texts: what the schemas and the contract are made of."""
