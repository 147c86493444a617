"""Servers that do on a bare socket what a test says, each connection in a thread."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Peer:
    """A connection as a test's server sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def head(self) -> bytes:
        """The next request's head; empty when the client has ended the connection."""
        lines = b""
        with suppress(OSError):
            while not lines.endswith(b"\r\n\r\n") and (line := self._file.readline()):
                lines += line
        return lines

    def request(self) -> bytes:
        """The next request; empty when the client has ended the connection."""
        head = self.head()
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + self._file.read(int(length[0].split(b":")[1])) if length else head

    def part(self) -> bytes:
        """What comes next; empty when the client has ended the connection."""
        return self._file.read1(65536)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def begin_tls(self, context: ssl.SSLContext) -> None:
        self._file.close()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._file = self.connection.makefile("rb")

    def close(self) -> None:
        self._file.close()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@contextmanager
def speaking(serve: Callable[[Peer, int], None], host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that calls `serve` for each connection, with its number, in a thread; then it closes it."""
    peers: list[Peer] = []
    threads: list[threading.Thread] = []

    def run(peer: Peer, number: int) -> None:
        with suppress(OSError, ValueError):  # the client or the test has ended the connection
            serve(peer, number)
        peer.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            peers.append(Peer(connection))
            threads.append(threading.Thread(target=run, args=(peers[-1], len(peers) - 1), daemon=True))
            threads[-1].start()

    with socket.create_server((host, 0), backlog=256) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for peer in peers:
                with suppress(OSError):
                    peer.connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def tunnel(peer: Peer, port: int) -> None:
    """Pass on what comes to a port of this machine, and back, until one side ends."""
    with socket.create_connection(("127.0.0.1", port)) as target, selectors.DefaultSelector() as selector:
        ends = {target: peer.connection, peer.connection: target}
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                data = source.recv(65536)
                if not data:
                    return
                ends[source].sendall(data)
