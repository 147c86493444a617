"""redis-py connects with what `for_driver` gives it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from datastore_certificates import Files
from datastore_forwarding import forwarded
from datastore_servers import free_port, missing, provision, running, temporary_folder
from datastore_texts import AWKWARD, TEXTS
from redis.backoff import NoBackoff
from redis.retry import Retry

from architect_datastore.redis_server import RedisProvisioner


def who(db: Any) -> tuple[str, int]:
    with redis.Redis(**db.for_driver("redis"), retry=Retry(NoBackoff(), 0)) as client:
        return client.acl_whoami(), int(client.get("number") or 0)


def who_async(db: Any) -> tuple[str, int]:
    async def run() -> tuple[str, int]:
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        async with redis.asyncio.Redis(**db.for_driver("redis"), retry=retry) as client:
            return await client.acl_whoami(), int(await client.get("number") or 0)

    return asyncio.run(run())


both = pytest.mark.parametrize("ask", [who, who_async], ids=["redis.Redis", "redis.asyncio.Redis"])


@pytest.fixture(scope="module")
def server(certificates: Files) -> Iterator[Mapping[str, Any]]:
    """The entry of a server with TLS on another port and a socket, and with a user for each awkward text."""
    with temporary_folder() as folder:
        port, secure_port = free_port(), free_port()
        provisioned = provision(RedisProvisioner(), {"username": "app"}, folder, port)
        files = folder / "tls"
        shutil.copytree(Path(certificates.ca).parent, files)
        names = {"tls-ca-cert-file": "ca", "tls-cert-file": "certificate", "tls-key-file": "key"}
        settings = [f"{setting} {files / name}.pem" for setting, name in names.items()]
        settings += [f"tls-port {secure_port}", "tls-auth-clients optional", f"unixsocket {folder / 'redis.sock'}"]
        config = folder / "redis.conf"
        plain = config.read_text()
        config.write_text(plain + "".join(f"{setting}\n" for setting in settings))
        try:
            with running(provisioned, folder, port):
                yield prepared(provisioned.entry, folder, secure_port)
        except AssertionError as problem:
            if "tls" not in str(problem).lower():
                raise
            missing(f"this Redis was built without TLS: {problem}")


def prepared(entry: Mapping[str, Any], folder: Path, secure_port: int) -> dict[str, Any]:
    login = {"host": entry["host"], "port": entry["port"], "username": "app", "password": entry["password"]}
    with redis.Redis(**login, db=3) as client:
        client.set("number", 3)
        for text in TEXTS:
            client.acl_setuser(named(text), enabled=True, passwords=[f"+{text}"], categories=["+@all"], keys=["*"])
    return {"secure_port": secure_port, "socket": str(folder / "redis.sock"), **entry}


def named(text: str) -> str:
    return text.replace(" ", "_")  # Redis has no spaces in a user's name


def login(server: Mapping[str, Any], text: str = AWKWARD, **more: Any) -> dict[str, Any]:
    place = {"type": "redis", "host": server["host"], "port": server["port"]}
    return {**place, "username": named(text), "password": text, "name": "3", **more}


def secure(server: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return login(server, port=server["secure_port"], options=options)


@both
def test_any_user_and_password_get_in_by_fields_and_by_url(server, datastore, ask):
    for text in TEXTS:
        db = datastore(**login(server, text))
        assert ask(db) == (named(text), 3)
        assert ask(datastore(url=db.url)) == (named(text), 3)
        with redis.Redis.from_url(db.url) as client:
            assert client.acl_whoami() == named(text)


@both
def test_a_connection_string_gets_in(server, datastore, ask):
    text = f"127.0.0.1:{server['port']},user=a%b,password=a%b,defaultDatabase=3,abortConnect=false"
    assert ask(datastore(connection_string=text)) == ("a%b", 3)


@both
def test_a_socket_is_a_host(server, datastore, ask):
    entry = login(server, host=server["socket"])
    del entry["port"]
    db = datastore(**entry)
    assert db.url.startswith("unix://")
    assert ask(db) == (named(AWKWARD), 3)
    assert ask(datastore(type="redis", url=db.url)) == (named(AWKWARD), 3)
    with redis.Redis.from_url(db.url) as client:
        assert client.acl_whoami() == named(AWKWARD)


@both
def test_a_wrong_password_is_refused_by_the_server(server, datastore, ask):
    with pytest.raises(redis.AuthenticationError):
        ask(datastore(**login(server, password="wrong")))


def test_options_reach_the_client(server, datastore):
    db = datastore(**login(server, options={"client_name": "shop", "connect_timeout": 2.5, "decode_responses": True}))
    with redis.Redis(**datastore(url=db.url).for_driver("redis")) as client:
        assert client.client_getname() == "shop"
        assert client.connection_pool.connection_kwargs["socket_connect_timeout"] == 2.5


@both
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_the_connection_has_the_configured_tls(server, certificates, datastore, ask, mode):
    options = {"sslmode": mode, **({"ca": certificates.ca} if "verify" in mode else {})}
    db = datastore(**secure(server, **options))
    assert db.url.startswith("rediss://")
    assert ask(db) == (named(AWKWARD), 3)
    assert ask(datastore(url=db.url)) == (named(AWKWARD), 3)
    with redis.Redis.from_url(db.url) as client:
        assert client.acl_whoami() == named(AWKWARD)


@both
@pytest.mark.parametrize("options", [{"ca": "other"}, {"sslmode": "verify-full"}], ids=["another's", "the system's"])
def test_a_server_that_no_trusted_authority_signed_is_refused(server, certificates, datastore, ask, options):
    files = {"ca": certificates.other_ca} if "ca" in options else {}
    with pytest.raises(redis.ConnectionError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        ask(datastore(**secure(server, **{**options, **files})))


@both
def test_a_host_that_the_certificate_does_not_name_is_refused_only_by_verify_full(server, certificates, datastore, ask):
    with forwarded("127.0.0.2", server["secure_port"]) as port:
        place = login(server, host="127.0.0.2", port=port)
        lenient = datastore(**place, options={"ca": certificates.ca, "sslmode": "verify-ca"})
        assert ask(lenient) == (named(AWKWARD), 3)
        with pytest.raises(redis.ConnectionError, match="mismatch"):
            ask(datastore(**place, options={"ca": certificates.ca}))


@both
def test_a_client_s_certificate_is_shown(server, certificates, datastore, ask):
    files = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    with redis.Redis(**datastore(**login(server)).for_driver("redis")) as client:
        client.config_set("tls-auth-clients", "yes")
        try:
            assert ask(datastore(**secure(server, **files))) == (named(AWKWARD), 3)
            with pytest.raises((redis.ConnectionError, OSError)):
                ask(datastore(**secure(server, ca=certificates.ca)))
        finally:
            client.config_set("tls-auth-clients", "optional")


@both
def test_tls_that_a_switch_beside_the_options_asks_for_is_what_the_connection_has(server, certificates, datastore, ask):
    entry = login(server, port=server["secure_port"])
    assert ask(datastore(**entry, tls=True, ca=certificates.ca)) == (named(AWKWARD), 3)
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        ask(datastore(**entry, tls=True))
