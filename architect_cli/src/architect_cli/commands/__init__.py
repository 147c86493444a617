"""The built-in commands, each found by its entry point as a third party's is."""
