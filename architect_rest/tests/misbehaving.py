"""A server that does what servers should not: `python misbehaving.py KIND [FILE]`, in a process of its own.

Prints its port, then one line for each request that it has read.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable

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


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b".")
        time.sleep(0.05)


def drip_redirect(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b".")
        time.sleep(0.05)


def endless_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"m" * 1000 + b"\r\n")


def half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.close()


def slow_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    time.sleep(0.5)
    connection.sendall(b"slow")


def bomb(connection: socket.socket) -> None:
    content = gzip.compress(bytes(100_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(content) + content)


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n".encode()


def broken_redirect(to: str) -> bytes:
    """One with a body that is not what it says."""
    return redirect(to).replace(b"Length: 0", b"Length: 5\r\nContent-Encoding: gzip") + b"moved"


def unavailable(retry_after: str) -> bytes:
    return UNAVAILABLE % (f"Retry-After: {retry_after}\r\n".encode() if retry_after else b"")


# what is done with a connection, or what is sent to it
FAULTS: dict[str, Callable[[socket.socket], None]] = {
    "resets": reset,
    "half": half,
    "hangs": lambda _: time.sleep(60),
    "drips": drip,
    "redirects-dripping": drip_redirect,
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
}


together = threading.Barrier(12)


def answer(connection: socket.socket, kind: str, argument: str, number: int) -> None:
    """Answer request number `number`, from 1."""
    if kind == "resets-first-dozen":
        if number <= 12:
            together.wait(5)  # so that all of them are under way
        kind = "resets" if number <= 12 else "works"
    if kind.endswith("-first"):
        kind = kind.removesuffix("-first") if number == 1 else "works"
    if kind in FAULTS:
        FAULTS[kind](connection)
    else:
        connection.sendall(ANSWERS[kind](argument))


def serve(connection: socket.socket, kind: str, argument: str) -> None:
    try:
        if kind == "resets-before":
            reset(connection)
            return
        if kind == "closes-before":
            connection.recv(65536)
            connection.close()
            return
        if argument.endswith(".pem"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(argument)
            connection = context.wrap_socket(connection, server_side=True)
        while head := read_request(connection):
            with lock:
                numbers.append(len(numbers) + 1)
                number = numbers[-1]
            sys.stdout.write(head.decode("latin-1").replace("\r\n", "|") + "\n")
            sys.stdout.flush()
            answer(connection, kind, argument, number)
    except (OSError, ValueError):
        pass  # the client has gone
    finally:
        connection.close()


lock = threading.Lock()
numbers: list[int] = []


def main(kind: str, argument: str = "", port: str = "0") -> None:
    with socket.create_server(("127.0.0.1", int(port)), backlog=256) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, kind, argument), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
