"""Webhooks: events that are posted to their subscribers, signed and verified."""
