"""Neo4j's driver connects with what `for_driver` gives it, to a listener that speaks the start of Bolt 5.0."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import neo4j
import pytest
from datastore_certificates import Files
from datastore_listening import exactly, listening
from datastore_texts import AWKWARD
from neo4j.exceptions import DriverError as Neo4jError
from neo4j.exceptions import Neo4jError as ServerError

from architect_core.exceptions import DriverError

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore::ResourceWarning")]
SUCCESS = b"\xb1\x70\xa2\x86server\x8bNeo4j/5.0.0\x8dconnection_id\x81b"
FAILURE = b"\xb1\x7f\xa2\x84code\xd0\x25Neo.ClientError.Security.Unauthorized\x87message\x85wrong"
RIGHT = ("ü@:/ a", AWKWARD)


def bolt(connection: socket.socket) -> None:
    exactly(connection, 20)  # the versions that the driver has
    connection.sendall(b"\0\0\0\5")
    while True:
        message = b""
        while size := int.from_bytes(exactly(connection, 2)):
            message += exactly(connection, size)
        is_hello = message[1:2] == b"\x01"
        is_right = not is_hello or all(text.encode() in message for text in RIGHT)
        answer = SUCCESS if is_right else FAILURE
        connection.sendall(len(answer).to_bytes(2) + answer + b"\0\0")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(bolt) as port:
        yield port


@pytest.fixture(scope="module")
def secure(certificates: Files) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with listening(bolt, context) as port:
        yield port


def over_driver(db: Any) -> bool:
    with neo4j.GraphDatabase.driver(**db.for_driver("neo4j")) as driver:
        driver.verify_connectivity()
    return True


def over_async_driver(db: Any) -> bool:
    async def run() -> bool:
        async with neo4j.AsyncGraphDatabase.driver(**db.for_driver("neo4j")) as driver:
            await driver.verify_connectivity()
        return True

    return asyncio.run(run())


both = pytest.mark.parametrize("connects", [over_driver, over_async_driver], ids=["driver", "async driver"])
ERRORS = (Neo4jError, ServerError, OSError)


def url(port: int, scheme: str = "bolt") -> dict[str, Any]:
    return {"url": f"{scheme}://127.0.0.1:{port}", "username": RIGHT[0], "password": RIGHT[1]}


@both
def test_a_login_is_sent_as_it_is(port, datastore, connects):
    db = datastore(**url(port))
    assert connects(db)
    assert connects(datastore(url=db.url))
    with pytest.raises(ERRORS):
        connects(datastore(**{**url(port), "password": "another"}))


@both
@pytest.mark.parametrize(
    ("scheme", "options", "right"),
    [
        ("bolt+s", {"ca": "ca"}, True),
        ("bolt+s", {}, False),
        ("bolt+s", {"ca": "other_ca"}, False),
        ("bolt+ssc", {}, True),
        ("bolt", {"ca": "ca"}, True),
        ("bolt", {"sslmode": "verify-ca", "ca": "ca"}, True),
        ("bolt", {}, False),
    ],
)
def test_tls_is_as_strict_as_the_scheme(secure, certificates, datastore, connects, scheme, options, right):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    db = datastore(**url(secure, scheme), options=files)
    if right:
        assert connects(db)
    else:
        with pytest.raises(ERRORS):
            connects(db)


@pytest.mark.parametrize("scheme", ["neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"])
def test_every_scheme_is_written_again_and_accepted_by_the_driver(datastore, scheme):
    db = datastore(url=f"{scheme}://u:p@h/movies", options={"connect_timeout": 3, "user_agent": "orders"})
    assert db.url == f"{scheme}://u:p@h:7687/movies?connect_timeout=3.0&user_agent=orders"
    arguments = db.for_driver("neo4j")
    assert ("ssl_context" in arguments) is ("+" in scheme)
    with neo4j.GraphDatabase.driver(**arguments) as driver:
        assert driver.encrypted is ("+" in scheme) or "ssl_context" in arguments


def test_the_query_of_a_url_is_the_routing_context(datastore):
    assert datastore(url="neo4j://h?region=eu").for_driver("neo4j")["uri"] == "neo4j://h:7687?region=eu"
    with pytest.raises(DriverError, match="routing context"):
        datastore(url="bolt://h?region=eu").for_driver("neo4j")
    with pytest.raises(DriverError, match="user name"):
        datastore(url="bolt://:p@h").for_driver("neo4j")
