"""The clients of Memcached connect with what `for_driver` gives them: with TLS, by SASL, to a socket and to several."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomcache
import bmemcached
import pymemcache
import pytest
from bmemcached.exceptions import MemcachedException
from datastore_certificates import Files
from datastore_connecting import django_cache
from datastore_servers import free_port, program, started, temporary_folder, until_there
from datastore_texts import AWKWARD

from architect_core.exceptions import DriverError

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@contextlib.contextmanager
def serving(folder: Path, *options: str, **environ: str) -> Iterator[int]:
    port = free_port()
    command = [program("memcached"), "-u", "root", "-l", f"127.0.0.1:{port}", *options]
    with started(command, port, folder=folder, **environ):
        yield port


@pytest.fixture(scope="module")
def servers() -> Iterator[list[int]]:
    with temporary_folder() as one, temporary_folder() as other, serving(one) as first, serving(other) as second:
        yield [first, second]


@pytest.fixture(scope="module")
def secure(certificates: Files) -> Iterator[int]:
    files = f"ssl_chain_cert={certificates.certificate},ssl_key={certificates.key}"
    with temporary_folder() as folder, serving(folder, "-Z", "-o", files) as port:
        yield port


@pytest.fixture(scope="module")
def with_login() -> Iterator[int]:
    with temporary_folder() as folder:
        database = folder / "sasldb"
        command = [program("saslpasswd2"), "-p", "-c", "-f", str(database), "-u", socket.gethostname(), "app"]
        subprocess.run(command, input=AWKWARD.encode(), check=True, capture_output=True)
        lines = ["mech_list: plain", "pwcheck_method: auxprop", "auxprop_plugin: sasldb", f"sasldb_path: {database}"]
        (folder / "memcached.conf").write_text("".join(f"{line}\n" for line in lines))
        with serving(folder, "-S", SASL_CONF_PATH=str(folder)) as port:
            yield port


def over_pymemcache(db: Any) -> str:
    with contextlib.closing(pymemcache.HashClient(**db.for_driver("pymemcache"), retry_attempts=0)) as client:
        assert client.set("key", "text", noreply=False)
        return str(client.get("key").decode())


def over_bmemcached(db: Any) -> str:
    client = bmemcached.Client(**db.for_driver("python-binary-memcached"))
    try:
        return client.get("key") if client.set("key", "text") else "nothing"
    finally:
        client.disconnect_all()


def over_aiomcache(db: Any) -> str:
    async def run() -> str:
        client = aiomcache.Client(**db.for_driver("aiomcache"))
        try:
            await client.set(b"key", b"text")
            return str((await client.get(b"key") or b"").decode())
        finally:
            await client.close()

    return asyncio.run(run())


def over_django(db: Any) -> str:
    with contextlib.closing(django_cache(db.for_driver("django"))) as cache:
        cache.set("key", "text")
        return str(cache.get("key"))


ALL = {
    "pymemcache": over_pymemcache,
    "python-binary-memcached": over_bmemcached,
    "aiomcache": over_aiomcache,
    "django": over_django,
}
every = pytest.mark.parametrize("reads", ALL.values(), ids=ALL)


def entry(port: int, **more: Any) -> dict[str, Any]:
    return {"type": "memcached", "host": "127.0.0.1", "port": port, **more}


@every
def test_a_server_is_reached_by_fields_and_by_url(servers, datastore, reads):
    db = datastore(**entry(servers[0]))
    assert reads(db) == reads(datastore(url=db.url)) == "text"


@pytest.mark.parametrize("driver", ["pymemcache", "django"])
def test_keys_are_spread_over_several_servers(servers, datastore, driver):
    db = datastore(url=f"memcache://127.0.0.1:{servers[0]},127.0.0.1:{servers[1]}?key_prefix={driver}")
    clients = [pymemcache.Client(("127.0.0.1", port)) for port in servers]
    for client in clients:
        client.flush_all(noreply=False)
    if driver == "django":
        with contextlib.closing(django_cache(db.for_driver(driver))) as cache:
            for number in range(50):
                cache.set(str(number), "text")
    else:
        with contextlib.closing(pymemcache.HashClient(**db.for_driver(driver))) as client:
            for number in range(50):
                client.set(str(number), "text", noreply=False)
    assert all(client.stats()[b"curr_items"] > 0 for client in clients)
    for client in clients:
        client.close()


@every
@pytest.mark.parametrize(
    ("options", "connects"),
    [({"ca": "ca"}, True), ({"ca": "other_ca"}, False), ({"sslmode": "require"}, True), ({}, False)],
)
def test_tls_is_as_strict_as_its_mode(secure, certificates, datastore, reads, options, connects):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    db = datastore(**entry(secure, options=files))
    if connects:
        assert reads(db) == "text"
    else:
        with contextlib.suppress(ssl.SSLError, OSError, MemcachedException, aiomcache.ClientException):
            assert reads(db) != "text"


def test_a_login_is_sent_by_sasl(with_login, datastore):
    login = {"username": "app", "password": AWKWARD}
    db = datastore(type="memcached", servers=f"127.0.0.1:{with_login}", **login)  # as platforms write it
    assert over_bmemcached(db) == over_bmemcached(datastore(url=db.url)) == "text"
    with pytest.raises(MemcachedException):
        over_bmemcached(datastore(**entry(with_login, **{**login, "password": "another"})))
    for driver in ("pymemcache", "aiomcache", "django"):
        with pytest.raises(DriverError, match="cannot log in to Memcached; use python-binary-memcached"):
            db.for_driver(driver)


def test_a_socket_is_reached(datastore):
    with temporary_folder() as folder:
        path = folder / "memcached.sock"
        with started([program("memcached"), "-u", "root", "-s", str(path)], folder=folder):
            until_there(path)
            db = datastore(url=f"memcached://{path}")
            assert db.host == str(path)
            assert over_pymemcache(db) == over_bmemcached(db) == over_django(db) == "text"
            assert over_pymemcache(datastore(url=db.url)) == "text"
            with pytest.raises(DriverError, match="one host and port"):
                db.for_driver("aiomcache")
