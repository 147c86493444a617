"""A broker of Kafka: librdkafka's own, with a door before it for TLS and a login, neither of which it has."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator

from confluent_kafka import Producer
from datastore_listening import exactly, listening

_HANDSHAKE, _VERSIONS, _AUTHENTICATE = 17, 18, 36


@contextlib.contextmanager
def brokers() -> Iterator[int]:
    """The port of a broker that lives in this process."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    yield next(iter(producer.list_topics(timeout=30).brokers.values())).port
    producer.purge()


@contextlib.contextmanager
def door(port: int, context: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> Iterator[int]:
    """The port of a door to the broker on `port`, which is the one that the broker then seems to have."""

    def serve(client: socket.socket) -> None:
        own = client.getsockname()[1]
        inner, outer = (b"127.0.0.1" + struct.pack(">i", each) for each in (port, own))
        is_in = login is None
        with socket.create_connection(("127.0.0.1", port)) as broker:
            while True:
                request = _frame(client)
                kind, version = struct.unpack(">hh", request[:4])
                if kind == _VERSIONS and version > 2:  # to which the broker has no right answer
                    answer = request[4:8] + struct.pack(">hi", 35, 1) + struct.pack(">hhh", _VERSIONS, 0, 2)
                elif is_in or kind == _VERSIONS:
                    broker.sendall(_framed(request))
                    answer = _frame(broker).replace(inner, outer)
                    answer = _with_login(answer) if kind == _VERSIONS else answer
                else:
                    answer, is_in = _answer(request, login or ("", ""))
                client.sendall(_framed(answer))

    with listening(serve, context) as own:
        yield own


def _with_login(versions: bytes) -> bytes:
    """An answer about versions with those of the requests for a login."""
    (count,) = struct.unpack(">i", versions[6:10])
    added = struct.pack(">hhh", _HANDSHAKE, 0, 1) + struct.pack(">hhh", _AUTHENTICATE, 0, 1)
    end = 10 + 6 * count
    return versions[:6] + struct.pack(">i", count + 2) + versions[10:end] + added + versions[end:]


def _answer(request: bytes, login: tuple[str, str]) -> tuple[bytes, bool]:
    """The answer to a request before the login, and whether it was the right one (SASL PLAIN, RFC 4616)."""
    kind, version, _, client = struct.unpack(">hhih", request[:10])
    body = request[10 + max(client, 0) :]
    found = request[4:8]  # the correlation
    if kind == _HANDSHAKE:
        return found + struct.pack(">hih", 0, 1, 5) + b"PLAIN", False
    if kind == _AUTHENTICATE and version < 2:
        is_right = body[4:].partition(b"\0")[2] == b"\0".join(text.encode() for text in login)
        message = b"the login is wrong"
        error = struct.pack(">hh", 0, -1) if is_right else struct.pack(">hh", 58, len(message)) + message
        return found + error + struct.pack(">i", 0) + (bytes(8) if version else b""), is_right
    raise OSError(f"there is no answer to a request of the kind {kind} in version {version} before the login")


def _framed(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _frame(source: socket.socket) -> bytes:
    return exactly(source, struct.unpack(">i", exactly(source, 4))[0])
