"""Writes resolved services and datastores in the formats of platforms."""
