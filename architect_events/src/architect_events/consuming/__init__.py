"""Handling the events of other services."""
