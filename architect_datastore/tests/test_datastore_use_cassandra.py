"""Cassandra's driver connects with what `for_driver` gives it, to a listener that speaks CQL up to the login."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, NoHostAvailable
from datastore_certificates import Files
from datastore_listening import exactly, listening
from datastore_texts import AWKWARD

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore::ResourceWarning")]
OPTIONS, STARTUP, LOGIN = 5, 1, 15
SUPPORTED = b"\0\2\0\x0bCQL_VERSION\0\1\0\x053.4.5\0\x0bCOMPRESSION\0\0"
ANSWERS = {OPTIONS: (6, SUPPORTED), STARTUP: (3, b"\0\1x")}
REFUSAL = (0, struct.pack(">i", 0x0100) + b"\0\5wrong")


@pytest.fixture(scope="module")
def logins() -> list[bytes]:
    """The logins that listeners have been sent."""
    return []


@pytest.fixture(scope="module")
def serve(logins: list[bytes]) -> Any:
    def cql(connection: socket.socket) -> None:
        while True:
            _, _, stream, opcode, size = struct.unpack(">BBhBi", exactly(connection, 9))
            body = exactly(connection, size)
            if opcode == LOGIN:
                logins.append(body[4:])
            kind, answer = ANSWERS.get(opcode, REFUSAL)
            connection.sendall(struct.pack(">BBhBi", 0x84, 0, stream, kind, len(answer)) + answer)

    return cql


@pytest.fixture(scope="module")
def port(serve: Any) -> Iterator[int]:
    with listening(serve) as port:
        yield port


@pytest.fixture(scope="module")
def secure(serve: Any, certificates: Files) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with listening(serve, context) as port:
        yield port


@pytest.fixture
def login_of(logins: list[bytes]) -> Any:
    def of(db: Any) -> list[bytes]:
        logins.clear()
        cluster = Cluster(**db.for_driver("cassandra-driver"))
        try:
            with pytest.raises(NoHostAvailable):
                cluster.connect(db.name)
        finally:
            cluster.shutdown()
        return list(logins)

    return of


def entry(port: int, **options: Any) -> dict[str, Any]:
    login = {"username": f"u{AWKWARD}", "password": AWKWARD}
    place = {"type": "cassandra", "host": "127.0.0.1", "port": port, **login}
    return {**place, "options": {"protocol_version": 4, **options}}


SENT = [f"\0u{AWKWARD}\0{AWKWARD}".encode()]


def test_a_login_is_sent_by_fields_and_by_url(port, datastore, login_of):
    db = datastore(**entry(port))
    assert login_of(db) == login_of(datastore(url=db.url)) == SENT


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ca": "ca"}, SENT),
        ({"sslmode": "require"}, SENT),
        ({"sslmode": "verify-ca", "ca": "ca"}, SENT),
        ({"ca": "other_ca"}, []),
        ({"sslmode": "verify-full"}, []),
        ({}, []),
    ],
)
def test_a_login_is_sent_over_tls_to_a_server_that_is_verified(
    secure, certificates, datastore, login_of, options, expected
):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    assert login_of(datastore(**entry(secure, **files))) == expected


def test_the_keys_of_platforms_are_contact_points_a_port_and_a_keyspace(datastore):
    spring = {"contact-points": "a,b", "port": 9142, "keyspace-name": "orders", "ssl": "true"}
    broker = {"node_ips": ["a", "b"], "cqlsh_port": 9142, "keyspace": "orders", "use_ssl": True}
    for keys in (spring, broker):
        db = datastore(type="cassandra", **keys, options={"connect_timeout": 3, "application_name": "orders"})
        arguments = db.for_driver("scylla-driver")
        assert isinstance(arguments.pop("ssl_context"), ssl.SSLContext)
        expected = {"contact_points": ["a", "b"], "port": 9142, "connect_timeout": 3, "application_name": "orders"}
        assert arguments == expected
        assert db.name == "orders"


def test_contact_points_may_have_ports_of_their_own(datastore):
    arguments = datastore(url="cassandra://u:p@127.0.0.1:1,127.0.0.2:2/k").for_driver("cassandra-driver")
    assert arguments["contact_points"] == ["127.0.0.1", ("127.0.0.2", 2)]
    assert isinstance(arguments["auth_provider"], PlainTextAuthProvider)
    cluster = Cluster(**arguments)
    assert sorted((each.address, each.port) for each in cluster.endpoints_resolved) == [
        ("127.0.0.1", 1),
        ("127.0.0.2", 2),
    ]
    cluster.shutdown()
