"""RabbitMQ's drivers connect with what `for_driver` gives them."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import aio_pika
import kombu
import pika
import pytest
from datastore_certificates import Files
from datastore_forwarding import forwarded
from datastore_servers import missing, program, temporary_folder
from datastore_texts import AWKWARD

from architect_core.exceptions import DriverError

HOST, PORT = "127.0.0.1", 5672
OTHER = "%41+b&=;,{}日本"


def over_pika(db: Any) -> bool:
    parameters = pika.URLParameters(**db.for_driver("pika"))
    parameters.connection_attempts = 1
    with closing(pika.BlockingConnection(parameters)) as connection:
        return bool(connection.channel().queue_declare("", exclusive=True).method.queue)


def over_aio_pika(db: Any) -> bool:
    async def run() -> bool:
        async with await aio_pika.connect(**db.for_driver("aio-pika")) as connection:
            channel = await connection.channel()
            return bool((await channel.declare_queue(exclusive=True)).name)

    return asyncio.run(run())


def over_kombu(db: Any) -> bool:
    with kombu.Connection(**db.for_driver("kombu")) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)  # a channel alone would try again for seconds
        return bool(connection.default_channel.queue_declare("", exclusive=True).queue)


DRIVERS: dict[str, Callable[[Any], bool]] = {"pika": over_pika, "aio-pika": over_aio_pika, "kombu": over_kombu}
each_driver = pytest.mark.parametrize("driver", DRIVERS)


def control(*expressions: str) -> None:
    """Evaluates Erlang expressions in the broker; each rabbitmqctl takes seconds to start, so there are many in one."""
    with temporary_folder() as folder:
        file = folder / "expressions.erl"
        file.write_text(", ".join(expressions) + ".", encoding="utf-8")
        file.chmod(0o644)  # rabbitmqctl runs as another user
        command = [program("rabbitmqctl"), "--quiet", "eval_file", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        missing(f"rabbitmqctl does not work here: {done.stdout}{done.stderr}")


def binary(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}"/utf8>>'


@pytest.fixture(scope="module")
def accounts() -> Iterator[list[dict[str, Any]]]:
    """Logins with virtual hosts of their own, on the broker at the local default port."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, PORT)) != 0:
            missing(f"no RabbitMQ on {HOST}:{PORT}")
    mark = secrets.token_hex(4)
    broker = {"type": "rabbitmq", "host": HOST, "port": PORT}
    logins = [
        {**broker, "username": f"{mark}{text}", "password": text, "name": f"{mark}{text}"} for text in (AWKWARD, OTHER)
    ]
    names = [(binary(login["username"]), binary(login["password"])) for login in logins]
    users, every = "rabbit_auth_backend_internal", '<<".*">>, <<".*">>, <<".*">>'
    try:
        control(
            *(
                f"ok = {users}:add_user({name}, {password}, <<>>), ok = rabbit_vhost:add({name}, <<>>), "
                f"ok = {users}:set_permissions({name}, {name}, {every}, <<>>)"
                for name, password in names
            )
        )
        yield logins
    finally:
        control(*(f"{users}:delete_user({name}, <<>>), rabbit_vhost:delete({name}, <<>>)" for name, _ in names))


@pytest.fixture(scope="module")
def secure_port(certificates: Files) -> Iterator[int]:
    """The broker behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.load_cert_chain(certificates.certificate, certificates.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    with forwarded(HOST, PORT, context) as port:
        yield port


@each_driver
def test_any_user_password_and_virtual_host_get_in_by_fields_and_by_url(accounts, datastore, driver):
    for login in accounts:
        db = datastore(**login)
        assert DRIVERS[driver](db)
        assert DRIVERS[driver](datastore(url=db.url))


@each_driver
def test_a_wrong_password_is_refused_by_the_broker(accounts, datastore, driver):
    db = datastore(**accounts[0] | {"password": "wrong"})
    with pytest.raises(Exception, match=r"ACCESS_REFUSED|ProbableAuthenticationError"):
        DRIVERS[driver](db)


@each_driver
def test_a_virtual_host_that_is_not_there_is_refused(accounts, datastore, driver):
    with pytest.raises(Exception, match=r"not found|NOT_ALLOWED|Connection.Close"):
        DRIVERS[driver](datastore(**accounts[0] | {"name": "nowhere"}))


@each_driver
def test_tls_verifies_the_broker(accounts, secure_port, certificates, datastore, driver):
    login = {**accounts[0], "port": secure_port}
    files = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    db = datastore(**login, options=files)
    assert db.url.startswith("amqps://")
    assert DRIVERS[driver](db)
    assert DRIVERS[driver](datastore(url=db.url))
    for options in ({"ca": certificates.other_ca}, {"sslmode": "verify-full"}):
        with pytest.raises(Exception, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|AMQPConnectionError"):
            DRIVERS[driver](datastore(**login, options=options))


@each_driver
def test_the_host_is_verified_too(accounts, certificates, datastore, driver):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.elsewhere, certificates.elsewhere_key)
    with forwarded(HOST, PORT, context) as port:
        login = {**accounts[0], "port": port, "options": {"ca": certificates.ca}}
        with pytest.raises(Exception, match=r"mismatch|AMQPConnectionError|is not valid for|doesn't match"):
            DRIVERS[driver](datastore(**login))


@pytest.mark.parametrize("mode", ["require", "verify-ca"])
def test_aio_pika_and_kombu_can_verify_less_and_pika_refuses_to(accounts, certificates, datastore, mode):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.elsewhere, certificates.elsewhere_key)
    with forwarded(HOST, PORT, context) as port:
        options = {"sslmode": mode, **({"ca": certificates.ca} if mode == "verify-ca" else {})}
        db = datastore(**accounts[0] | {"port": port}, options=options)
        for each in (db, datastore(url=db.url)):
            assert over_aio_pika(each)
            assert over_kombu(each)
    with pytest.raises(DriverError, match=f"pika does not support sslmode {mode}, only verify-full"):
        db.for_driver("pika")


@each_driver
def test_timeouts_and_heartbeats_reach_the_driver(accounts, datastore, driver):
    db = datastore(**accounts[0], options={"heartbeat": 7, "connect_timeout": 2.5})
    assert "connection_timeout=2500" in db.url
    assert DRIVERS[driver](datastore(url=db.url))
    if driver == "pika":
        parameters = pika.URLParameters(**db.for_driver("pika"))
        assert (parameters.heartbeat, parameters.socket_timeout) == (7, 2.5)
    else:
        name = {"aio-pika": "timeout", "kombu": "connect_timeout"}[driver]
        assert db.for_driver(driver)[name] == 2.5


def test_kombu_has_the_mechanism_the_server_s_name_and_another_scheme(datastore):
    url = "pyamqp+tls://u:p@h/v?auth_mechanism=external&verify=verify_peer&server_name_indication=n&cacertfile=/ca.pem"
    db = datastore(url=url)
    assert db.url.startswith("amqps://")
    arguments = db.for_driver("kombu")
    assert (arguments["login_method"], arguments["transport"]) == ("EXTERNAL", "pyamqp")
    assert arguments["ssl"] == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "n", "ca_certs": "/ca.pem"}
