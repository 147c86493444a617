"""Makes a server answer elsewhere too: on another address, or behind TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def forwarded(host: str, port: int, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """What connects to `host` on the port that this gives talks to 127.0.0.1:`port`; with a context, through TLS."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, 0)))
        threads: list[threading.Thread] = []
        open_ones: list[socket.socket] = []

        def start(target: object, *arguments: object) -> None:
            thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
            threads.append(thread)
            thread.start()

        def accept() -> None:
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                open_ones.append(accepted)
                start(serve, accepted)

        def serve(accepted: socket.socket) -> None:
            with contextlib.suppress(OSError):
                if context is not None:
                    accepted = context.wrap_socket(accepted, server_side=True)
                    open_ones.append(accepted)
                behind = socket.create_connection(("127.0.0.1", port))
                open_ones.append(behind)
                start(pump, accepted, behind)
                pump(behind, accepted)

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        start(accept)
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for each in open_ones:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for each in open_ones:
                each.close()
