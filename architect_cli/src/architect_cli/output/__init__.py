"""What a run prints: lines of services and notes, without secrets."""
