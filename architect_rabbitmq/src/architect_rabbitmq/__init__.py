"""RabbitMQ as a channel of architect's events."""
