"""Where platforms keep the configuration of a service: one module for each, found by its entry point."""
