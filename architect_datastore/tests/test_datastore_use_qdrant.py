"""Qdrant's client connects with what `for_driver` gives it, to a server that answers one request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from datastore_certificates import Files
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException

from architect_core.exceptions import DriverError

# it warns of a key that is sent without TLS
pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
KEY = "k@:/?#%41 +&=;"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, name = self.path.rpartition("/")
        body = b'{"title": "qdrant", "version": "1.15.0"}'
        if name == "collections":
            seen = f"{path}|{self.headers['api-key']}|{self.headers['authorization']}".replace('"', "")
            body = b'{"status": "ok", "time": 0, "result": {"collections": [{"name": "%s"}]}}' % seen.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture(scope="module")
def secure(certificates: Files) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with serving(context) as port:
        yield port


def over_client(db: Any) -> str:
    with contextlib.closing(QdrantClient(**db.for_driver("qdrant-client"), check_compatibility=False)) as client:
        return str(client.get_collections().collections[0].name)


def over_async_client(db: Any) -> str:
    async def run() -> str:
        client = AsyncQdrantClient(**db.for_driver("qdrant-client"), check_compatibility=False)
        try:
            return str((await client.get_collections()).collections[0].name)
        finally:
            await client.close()

    return asyncio.run(run())


both = pytest.mark.parametrize("sends", [over_client, over_async_client], ids=["client", "async client"])


@both
def test_a_key_is_sent_by_options_by_url_and_as_aspire_writes_it(port, datastore, sends):
    db = datastore(type="qdrant", url=f"http://127.0.0.1:{port}", options={"api_key": KEY})
    assert sends(db) == sends(datastore(type="qdrant", url=db.url)) == f"|{KEY}|None"
    text = f"Endpoint=http://127.0.0.1:{port};Key='{KEY}'"
    assert sends(datastore(type="qdrant", connection_string=text)) == f"|{KEY}|None"
    assert KEY not in repr(datastore(type="qdrant", url=db.url))


@both
def test_a_path_and_a_login_are_those_of_a_proxy(port, datastore, sends):
    db = datastore(type="qdrant", url=f"http://u:p@127.0.0.1:{port}/vectors")
    assert sends(db) == "/vectors|None|Basic dTpw"


@both
@pytest.mark.parametrize(
    ("options", "connects"),
    [
        ({"ca": "ca"}, True),
        ({"sslmode": "require"}, True),
        ({"ca": "other_ca"}, False),
        ({"sslmode": "verify-full"}, False),
        ({"api_key": KEY}, False),  # it is not sent without TLS
        ({"ca": "ca", "certificate": "client", "key": "client_key"}, True),
    ],
)
def test_tls_is_as_strict_as_its_mode(secure, certificates, datastore, sends, options, connects):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    db = datastore(type="qdrant", host="127.0.0.1", port=secure, options=files)
    if connects:
        assert sends(db) == "|None|None"
    else:
        with pytest.raises(ResponseHandlingException, match=r"(?i)certificate"):
            sends(db)


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({}, (6333, 6334, False)),
        ({"port": 6334}, (6333, 6334, True)),
        ({"port": 1, "grpc_port": 2}, (1, 2, False)),
        ({"port": 1, "options": {"grpc_port": 2, "prefer_grpc": True}}, (1, 2, True)),
        ({"http_port": 1, "grpc_port": 2}, (1, 2, False)),
    ],
)
def test_the_port_of_grpc_is_known(datastore, entry, ports):
    client = QdrantClient(**datastore(type="qdrant", host="h", **entry).for_driver("qdrant"), check_compatibility=False)
    remote = client._client
    assert (remote._port, remote._grpc_port, remote._prefer_grpc) == ports
    client.close()


def test_what_grpc_cannot_do_is_an_error(datastore):
    with pytest.raises(DriverError, match="for gRPC"):
        datastore(type="qdrant", host="h", port=6334, options={"sslmode": "require"}).for_driver("qdrant-client")
