"""A server that does what servers should not do.

`python misbehaving.py KIND [ARGUMENT [PORT]]` runs it in a process of its own, which prints its port, and then the head
of each request in a line.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import threading
import zlib
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n%s\r\n"


def read_request(connection: socket.socket) -> bytes:
    """A whole request, b"" where the client has gone."""
    read = b""
    while b"\r\n\r\n" not in read:
        part = connection.recv(65536)
        if not part:
            return b""
        read += part
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drip(server: Server, connection: socket.socket, head: bytes = b"HTTP/1.1 200 OK\r\n") -> None:
    connection.sendall(head + b"Content-Length: 100000\r\n\r\n")
    while not server.stopped.wait(0.05):
        connection.sendall(b".")


def drip_redirect(server: Server, connection: socket.socket) -> None:
    drip(server, connection, b"HTTP/1.1 302 Found\r\nLocation: /y\r\n")


def drip_challenge(server: Server, connection: socket.socket) -> None:
    drip(server, connection, b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n')


def endless_header(server: Server, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.stopped.is_set():
        connection.sendall(b"X-More: " + b"m" * 1000 + b"\r\n")


def half(_: Server, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.close()


def slow_body(server: Server, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    server.stopped.wait(0.5)
    connection.sendall(b"slow")


def bomb(server: Server, connection: socket.socket) -> None:
    """A small answer that stands for one of so many bytes as the server's argument says."""
    packing = zlib.compressobj(wbits=31)
    content = b"".join(packing.compress(bytes(1_000_000)) for _ in range(int(server.argument) // 1_000_000))
    content += packing.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(content) + content)


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n".encode()


def broken_redirect(to: str) -> bytes:
    """One with a body that is not what it says."""
    return redirect(to).replace(b"Length: 0", b"Length: 5\r\nContent-Encoding: gzip") + b"moved"


def scripted(server: Server, connection: socket.socket, head: bytes) -> None:
    """Answers with the head of the request, and does what its query says.

    `to` is the target of a redirect, in which `{host}` is the host that the client named; `cookie` is set; `body` is
    "endless", or "broken" if what has no end is no gzip either.
    """
    target, *headers = head.decode("latin-1").split("\r\n")
    host = next((line[6:] for line in headers if line.startswith("Host: ")), "")
    query = {key: values[0] for key, values in parse_qs(urlsplit(target.split(" ")[1]).query).items()}
    answer = [f"HTTP/1.1 {query.get('status', '302' if 'to' in query else '200')} Scripted"]
    answer += [f"Location: {query['to'].replace('{host}', host)}"] if "to" in query else []
    answer += [f"Set-Cookie: {query['cookie']}"] if "cookie" in query else []
    answer += ['WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'] if query.get("status") == "401" else []
    if "body" not in query:
        answer += [f"Content-Length: {len(head)}", "", head.decode("latin-1")]
        connection.sendall("\r\n".join(answer).encode("latin-1"))
        return
    answer += ["Content-Encoding: gzip"] if query["body"] == "broken" else []
    connection.sendall("\r\n".join([*answer, "Transfer-Encoding: chunked", "", ""]).encode("latin-1"))
    while not server.stopped.is_set():
        connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


def unavailable(retry_after: str) -> bytes:
    return UNAVAILABLE % (f"Retry-After: {retry_after}\r\n".encode() if retry_after else b"")


# what is done with a connection, or what is sent to it
FAULTS: dict[str, Callable[[Server, socket.socket], object]] = {
    "resets": lambda _, connection: reset(connection),
    "half": half,
    "hangs": lambda server, _: server.stopped.wait(60),
    "drips": drip,
    "redirects-dripping": drip_redirect,
    "challenges-dripping": drip_challenge,
    "bomb": bomb,
    "slow-body": slow_body,
    "endless-header": endless_header,
}
ANSWERS: dict[str, Callable[[str], bytes]] = {
    "unavailable": unavailable,
    "redirects-broken": broken_redirect,
    "big": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000),
    "invalid": lambda _: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "redirects": redirect,
    "redirects-307": lambda to: redirect(to).replace(b"302 Found", b"307 Temporary Redirect"),
    "works": lambda _: ANSWER,
    "answers": lambda text: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text.encode()),
}


class Server:
    """One server, with a thread for each connection.

    Attributes:
        port: where it listens.
        stopped: set when it ends.
    """

    def __init__(self, kind: str, argument: str, port: int, report: Callable[[str], object]) -> None:
        self.argument = argument
        self.stopped = threading.Event()
        self._kind = kind
        self._report = report
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._count = 0
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._together = threading.Barrier(12)

    def serve(self) -> None:
        """Accept connections until the server is stopped."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Break all connections, as a process that is killed does."""
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._kind == "resets-before":
                reset(connection)
                return
            if self._kind == "closes-before":
                connection.recv(65536)
                return
            if self.argument.endswith(".pem"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.argument)
                connection.settimeout(10)
                connection = context.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
            with self._lock:
                self._connections.add(connection)
            while self._kind == "reads-slowly" and not self.stopped.wait(0.05):
                connection.recv(10_000)
            while not self.stopped.is_set() and (head := read_request(connection)):
                with self._lock:
                    self._count += 1
                    number = self._count
                self._report(head.decode("latin-1").replace("\r\n", "|"))
                self._answer(connection, number, head)
        except (OSError, ValueError):
            pass  # the client is gone
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, number: int, head: bytes) -> None:
        """Answer request number `number`, from 1."""
        kind = self._kind
        if kind == "resets-first-dozen":
            if number <= 12:
                self._together.wait(5)  # so that all of them are under way
            kind = "resets" if number <= 12 else "works"
        if kind.endswith("-first"):
            kind = kind.removesuffix("-first") if number == 1 else "works"
        if kind.endswith("-for-impatient"):
            kind = "works" if b" /patient " in head else kind.removesuffix("-for-impatient")
        if kind == "scripted":
            scripted(self, connection, head)
        elif kind in FAULTS:
            FAULTS[kind](self, connection)
        else:
            connection.sendall(ANSWERS[kind](self.argument))


def main(kind: str, argument: str = "", port: str = "0") -> None:
    def report(line: object) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    server = Server(kind, argument, int(port), report)
    report(server.port)
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
