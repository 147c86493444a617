"""nats-py connects with what `for_driver` gives it: with a user, a token, TLS, WebSocket and several servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

import nats
import pytest
from datastore_certificates import Files
from datastore_forwarding import forwarded
from datastore_servers import free_port, program, started, temporary_folder
from datastore_texts import AWKWARD, TEXTS

from architect_core.exceptions import DriverError

TOKEN = "t@:/?#%41 +&=;ü"
# nats-py closes no connection whose login fails, and aiohttp deprecates how nats-py calls it
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning"),
]
LOGINS = [{"user": f"u{text}", "password": text} for text in TEXTS]


@contextlib.contextmanager
def serving(authorization: dict[str, Any], **blocks: Any) -> Iterator[dict[str, int]]:
    """The ports of a server with these blocks in its configuration, which may be JSON."""
    with temporary_folder() as folder:
        ports = {"port": free_port(), **{name: free_port() for name in blocks if name == "websocket"}}
        config = {"listen": f"127.0.0.1:{ports['port']}", "authorization": authorization, **blocks}
        if "websocket" in blocks:
            config["websocket"] = {"listen": f"127.0.0.1:{ports['websocket']}", **blocks["websocket"]}
        (folder / "nats.conf").write_text(json.dumps(config, ensure_ascii=False))
        with started([program("nats-server"), "-c", "nats.conf"], *ports.values(), folder=folder):
            yield ports


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, int]]:
    with serving({"users": LOGINS}, websocket={"no_tls": True}) as ports:
        yield ports


@pytest.fixture(scope="module")
def secure(certificates: Files) -> Iterator[dict[str, int]]:
    tls = {"cert_file": certificates.certificate, "key_file": certificates.key}
    with serving({"token": TOKEN}, tls=tls, websocket={"tls": tls}) as ports:
        yield ports


def receives(db: Any) -> str:
    """The text that the client has published and received."""

    async def run() -> str:
        client = await nats.connect(**db.for_driver("nats-py"), allow_reconnect=False, reconnect_time_wait=0)
        try:
            subscription = await client.subscribe("orders")
            await client.publish("orders", b"text")
            return str((await subscription.next_msg(timeout=30)).data.decode())
        finally:
            await client.close()

    return asyncio.run(run())


def entry(ports: dict[str, int], number: int = 0, **more: Any) -> dict[str, Any]:
    login = {"username": LOGINS[number]["user"], "password": LOGINS[number]["password"]}
    return {"type": "nats", "host": "127.0.0.1", "port": ports["port"], **login, **more}


def with_token(ports: dict[str, int], **options: Any) -> dict[str, Any]:
    return {"type": "nats", "host": "127.0.0.1", "port": ports["port"], "options": {"token": TOKEN, **options}}


def test_any_user_and_password_get_in_by_fields_and_by_url(server, datastore):
    for number in range(len(LOGINS)):
        db = datastore(**entry(server, number))
        assert receives(db) == "text"
        assert receives(datastore(url=db.url)) == "text"


def test_another_password_does_not_get_in(server, datastore):
    with pytest.raises(nats.errors.Error):
        receives(datastore(**entry(server, password="another")))


def test_a_token_gets_in_as_an_option_and_as_the_user_of_a_url(secure, certificates, datastore):
    db = datastore(**with_token(secure, ca=certificates.ca))
    again = datastore(type="nats", url=db.url)  # tls:// names no engine
    assert receives(db) == receives(again) == "text"
    assert TOKEN not in repr(again)
    assert datastore(url="nats://canary@h").options == {"token": "canary"}


@pytest.mark.parametrize(
    ("options", "connects"),
    [
        ({"ca": "ca"}, True),
        ({"ca": "other_ca"}, False),
        ({"sslmode": "verify-full"}, False),
        ({"sslmode": "require"}, True),
        ({"sslmode": "verify-ca", "ca": "ca"}, True),
        ({"ca": "ca", "certificate": "client", "key": "client_key"}, True),
    ],
)
def test_tls_is_as_strict_as_its_mode(secure, certificates, datastore, options, connects):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    db = datastore(**with_token(secure, **files))
    if connects:
        assert receives(db) == "text"
    else:
        with pytest.raises((ssl.SSLError, nats.errors.Error)):
            receives(db)


def test_a_name_in_the_certificates_may_be_another_than_the_host(server, certificates, datastore):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.elsewhere, certificates.elsewhere_key)
    options = {"ca": certificates.ca, "handshake_first": True, "tls_hostname": "elsewhere.example"}
    with forwarded("127.0.0.1", server["port"], context) as port:
        assert receives(datastore(**entry({"port": port}, options=options))) == "text"
        del options["tls_hostname"]
        with pytest.raises((ssl.SSLError, nats.errors.Error)):
            receives(datastore(**entry({"port": port}, options=options)))


def test_tls_that_starts_before_the_first_message_is_never_plain(server, certificates, datastore):
    options = {"ca": certificates.ca, "handshake_first": True}
    with pytest.raises((ssl.SSLError, OSError, nats.errors.Error)):
        receives(datastore(**entry(server, options=options)))


def test_websocket_with_and_without_tls(server, secure, certificates, datastore):
    url = datastore(**entry({"port": server["websocket"]})).url.replace("nats://", "ws://")
    assert receives(datastore(type="nats", url=url)) == "text"
    secured = datastore(type="nats", url=f"nats+wss://127.0.0.1:{secure['websocket']}", options={"token": TOKEN})
    with pytest.raises((ssl.SSLError, OSError, nats.errors.Error)):
        receives(secured)
    options = {"token": TOKEN, "ca": certificates.ca}
    assert receives(datastore(type="nats", url=f"wss://127.0.0.1:{secure['websocket']}", options=options)) == "text"


def test_of_several_servers_one_that_listens_is_used(server, datastore):
    hosts = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{server['port']}"]
    login = {"username": LOGINS[0]["user"], "password": LOGINS[0]["password"]}
    assert LOGINS[0]["password"] == AWKWARD
    db = datastore(type="nats", servers=[f"nats://{host}" for host in hosts], **login)
    assert receives(db) == receives(datastore(url=db.url)) == "text"


def test_a_password_without_a_user_is_an_error(datastore):
    with pytest.raises(DriverError, match="needs a user name"):
        datastore(type="nats", host="h", password="p").for_driver("nats-py")
