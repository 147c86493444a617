"""Amazon SNS and SQS as a channel of architect's events."""
