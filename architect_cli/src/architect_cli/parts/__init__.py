"""The parts of a run: started in order, kept up, restarted and stopped."""
