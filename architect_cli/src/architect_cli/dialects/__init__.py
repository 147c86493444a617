"""What was resolved, written in the dialects of platforms."""
