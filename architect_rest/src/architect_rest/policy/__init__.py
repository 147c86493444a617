"""When to send, where to send and when to give up: rules without I/O, for any HTTP library."""
