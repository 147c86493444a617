"""Exports resolved services and datastores, in the form of architect or in that of a platform."""
