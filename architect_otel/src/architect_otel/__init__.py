"""Traces and metrics of architect's clients, with OpenTelemetry."""
