"""The processes that a run starts: spawned, signalled, listening, and reaped."""
