"""HTTP/1.1 over asyncio: what `aio.client` and webhooks send their requests with. It knows neither of them."""
