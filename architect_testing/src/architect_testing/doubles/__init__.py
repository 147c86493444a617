"""Doubles of what an application depends on, for its tests; used as `architect.testing`."""
