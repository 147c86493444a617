"""Webhooks: events are posted to subscribers over HTTP."""
