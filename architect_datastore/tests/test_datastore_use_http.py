"""Clients of Elasticsearch and ClickHouse send what `for_driver` gives them, to a server that stands in for both."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import elastic_transport
import elasticsearch
import pytest
from datastore_certificates import Files
from datastore_texts import TEXTS

from architect_core.exceptions import DriverError

VERSION = {"name": "n", "cluster_name": "c", "version": {"number": "9.0.0", "build_flavor": "default"}, "tagline": "t"}


class Recorder(http.server.ThreadingHTTPServer):
    """Answers as Elasticsearch does, and keeps the path and the login of every request."""

    def __init__(self, context: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.requests: list[tuple[str, str]] = []
        super().__init__(address, Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that refuses the certificate is no error."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self.server.requests.append((self.path, self.headers.get("Authorization", "")))
        body = json.dumps(VERSION).encode()
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def recording(context: ssl.SSLContext | None = None, **more: Any) -> Iterator[Recorder]:
    with Recorder(context, **more) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def plain() -> Iterator[Recorder]:
    with recording() as server:
        yield server


@pytest.fixture
def secure(certificates: Files) -> Iterator[Recorder]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.load_cert_chain(certificates.certificate, certificates.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    with recording(context) as server:
        yield server


def ask_elasticsearch(db: Any) -> None:
    with elasticsearch.Elasticsearch(**db.for_driver("elasticsearch"), max_retries=0) as client:
        client.info()


def ask_clickhouse(db: Any) -> None:
    # the stand-in does not speak ClickHouse's format: what counts is what it was asked
    with pytest.raises(clickhouse_connect.driver.exceptions.OperationalError) as caught:
        clickhouse_connect.get_client(**db.for_driver("clickhouse-connect"), query_retries=0)
    if "Unexpected response" not in str(caught.value):
        raise caught.value


CLIENTS = {"elasticsearch": ask_elasticsearch, "clickhouse": ask_clickhouse}
each_engine = pytest.mark.parametrize("engine", CLIENTS)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@each_engine
def test_any_user_and_password_are_sent_by_fields_and_by_url(datastore, plain, engine):
    wanted = []
    for text in (each for each in TEXTS if ":" not in each):  # which ends the user's name
        db = datastore(type=engine, host="127.0.0.1", port=plain.server_port, username=text, password=f"{text}:")
        for each in (db, datastore(type=engine, url=db.url)):
            plain.requests.clear()
            CLIENTS[engine](each)
            wanted.append((plain.requests[0][1], basic(text, f"{text}:")))
    assert [sent for sent, _ in wanted] == [expected for _, expected in wanted]


def test_the_path_of_a_url_is_where_elasticsearch_answers(datastore, plain):
    db = datastore(type="elasticsearch", url=f"http://127.0.0.1:{plain.server_port}/behind/a%20proxy")
    ask_elasticsearch(db)
    ask_elasticsearch(datastore(type="elasticsearch", url=db.url))
    assert {path for path, _ in plain.requests} == {"/behind/a%20proxy/"}


def test_an_api_key_is_sent_instead_of_a_login(datastore, plain):
    db = datastore(type="elasticsearch", host="127.0.0.1", port=plain.server_port, options={"api_key": "secret"})
    ask_elasticsearch(datastore(type="elasticsearch", url=db.url))
    assert plain.requests[0][1] == "ApiKey secret"


@each_engine
@pytest.mark.filterwarnings("ignore")  # of connections that verify nothing
def test_the_connection_has_the_configured_tls(datastore, secure, certificates, engine):
    login = {"username": "app", "password": "p@"}
    place = {"type": engine, "host": "127.0.0.1", "port": secure.server_port, **login}
    files = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    for options in (files, {"sslmode": "require"}):
        db = datastore(**place, options=options)
        for each in (db, datastore(type=engine, url=db.url)):
            secure.requests.clear()
            CLIENTS[engine](each)
            assert secure.requests[0][1] == basic("app", "p@")
    for options in ({"ca": certificates.other_ca}, {"sslmode": "verify-full"}):
        secure.requests.clear()
        with pytest.raises(Exception, match=r"TLS error|certificate verify failed"):
            CLIENTS[engine](datastore(**place, options=options))
        assert not secure.requests


def test_clickhouse_s_port_of_tls_gets_no_password_in_plain_text(datastore):
    with recording(address=("127.0.0.3", 8443)) as server:
        entry = {"type": "clickhouse", "host": "127.0.0.3", "port": 8443, "password": "p"}
        for db in (datastore(**entry), datastore(url=datastore(**entry).url)):
            with pytest.raises(clickhouse_connect.driver.exceptions.OperationalError, match="SSL"):
                clickhouse_connect.get_client(**db.for_driver("clickhouse-connect"), query_retries=0)
        assert not server.requests
        ask_clickhouse(datastore(**entry, options={"sslmode": "disable"}))
        ask_clickhouse(datastore(type="clickhouse", url="http://127.0.0.3:8443"))
        assert server.requests


@pytest.mark.parametrize(
    ("url", "interface"),
    [
        ("clickhouse://h:443", "https"),
        ("clickhouse://h:8443?secure=false", "http"),
        ("http://h:443", "http"),
        ("clickhouse://h:9000", "http"),
    ],
)
def test_clickhouse_s_port_means_tls_unless_the_url_says_otherwise(datastore, url, interface):
    arguments = datastore(type="clickhouse", url=url).for_driver("clickhouse-connect")
    assert arguments["interface"] == interface


def test_elasticsearch_can_leave_the_host_unverified_and_clickhouse_refuses_to(datastore, certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.elsewhere, certificates.elsewhere_key)
    with recording(context) as server:
        place = {"host": "127.0.0.1", "port": server.server_port}
        ca = {"ca": certificates.ca}
        ask_elasticsearch(datastore(type="elasticsearch", **place, options={**ca, "sslmode": "verify-ca"}))
        assert server.requests
        with pytest.raises(elastic_transport.TlsError):
            ask_elasticsearch(datastore(type="elasticsearch", **place, options=ca))
        with pytest.raises(DriverError, match="does not support sslmode verify-ca, only disable, require, verify-full"):
            datastore(type="clickhouse", **place, options={**ca, "sslmode": "verify-ca"}).for_driver(
                "clickhouse-connect"
            )
