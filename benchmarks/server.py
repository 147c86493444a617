"""The servers that the benchmarks talk to: `python server.py KIND` prints its ports, and serves."""

from __future__ import annotations

import asyncio
import sys
from concurrent import futures
from typing import Any

SUBSCRIBERS = 100
SUBSCRIBER_DELAY = 0.020  # seconds that each takes to answer
QUICK_SUBSCRIBERS = 8  # which answer at once


async def _http(delay: float, count: int) -> None:
    """Answers every request on every connection with an empty 200, after `delay` seconds; as little work as can be."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if lengths:
                    await reader.readexactly(int(lengths[0].split(b":")[1]))
                if delay:
                    await asyncio.sleep(delay)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for _ in range(count)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


def _grpc() -> None:
    """A unary method that answers with what it is asked."""
    import grpc

    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    generic = grpc.method_handlers_generic_handler("bench.Echo", {"Say": handler})
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((generic,))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    kind = sys.argv[1]
    if kind == "grpc":
        _grpc()
    else:
        kinds = {"subscribers": (SUBSCRIBER_DELAY, SUBSCRIBERS), "quick": (0, QUICK_SUBSCRIBERS), "http": (0, 1)}
        asyncio.run(_http(*kinds[kind]))
