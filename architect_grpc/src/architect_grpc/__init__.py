"""gRPC clients, and the stubs they need."""
