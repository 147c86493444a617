"""REST clients on requests."""
