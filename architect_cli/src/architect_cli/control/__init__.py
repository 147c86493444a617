"""How other terminals reach a run: its folder, a socket in it that only its user can open, and the requests on that."""
