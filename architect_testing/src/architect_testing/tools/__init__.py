"""What the suites are made of, usable in other tests too: secrets, sockets, threads, forks and imports."""
