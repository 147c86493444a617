"""What the core runs on: attributes computed once, locks that survive a fork. It imports nothing of the core."""
