"""Credentials of datastores, for any driver."""
