"""Publishes and handles events, and keeps them until they are delivered."""
