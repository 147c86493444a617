"""The outbox: events that are kept in the transaction that they belong to."""
