"""paho-mqtt and aiomqtt connect with what `for_driver` gives them: with a login, TLS and WebSocket."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import aiomqtt
import pytest
from datastore_certificates import Files
from datastore_servers import free_port, program, started, temporary_folder
from datastore_texts import AWKWARD, TEXTS
from paho.mqtt import MQTTException, publish, subscribe

from architect_core.exceptions import DriverError

# the functions of paho-mqtt close no connection that is refused
pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.filterwarnings("ignore::ResourceWarning")]
PORTS = ("port", "secure", "websocket", "secure_websocket")


@pytest.fixture(scope="module")
def server(certificates: Files) -> Iterator[dict[str, int]]:
    """The ports of a server that requires a login, with a user for each text."""
    with temporary_folder() as folder:
        ports = {name: free_port() for name in PORTS}
        for number, text in enumerate(TEXTS):
            command = [program("mosquitto_passwd"), "-b", *(["-c"] if number == 0 else []), "users", f"u{number}", text]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        lines = ["user root", "allow_anonymous false", "password_file users"]
        for name, port in ports.items():
            lines.append(f"listener {port} 127.0.0.1")
            lines += ["protocol websockets"] if "websocket" in name else []
            if "secure" in name:
                lines += [f"certfile {certificates.certificate}", f"keyfile {certificates.key}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines))
        with started([program("mosquitto"), "-c", "mosquitto.conf"], *ports.values(), folder=folder):
            yield ports


def over_aiomqtt(db: Any) -> str:
    async def run() -> str:
        async with aiomqtt.Client(**db.for_driver("aiomqtt"), timeout=30) as client:
            await client.subscribe("orders/aio")
            await client.publish("orders/aio", "text", qos=1)
            return str((await anext(client.messages)).payload.decode())

    return asyncio.run(run())


def over_paho(db: Any) -> str:
    publish.single("orders/paho", "text", qos=1, retain=True, **db.for_driver("paho-mqtt"))
    message = subscribe.simple("orders/paho", qos=1, **db.for_driver("paho-mqtt"))
    return str(message.payload.decode())


both = pytest.mark.parametrize("receives", [over_aiomqtt, over_paho], ids=["aiomqtt", "paho-mqtt"])
ERRORS = (ssl.SSLError, aiomqtt.MqttError, MQTTException)


def entry(server: dict[str, int], listener: str = "port", number: int = 0, **more: Any) -> dict[str, Any]:
    login = {"username": f"u{number}", "password": TEXTS[number]}
    return {"type": "mqtt", "host": "127.0.0.1", "port": server[listener], **login, **more}


def test_any_password_gets_in_by_fields_and_by_url(server, datastore):
    for number in range(len(TEXTS)):
        db = datastore(**entry(server, number=number))
        assert over_aiomqtt(db) == over_aiomqtt(datastore(url=db.url)) == "text"


@both
def test_a_login_is_sent(server, datastore, receives):
    db = datastore(**entry(server))
    assert db.password == AWKWARD
    assert receives(db) == receives(datastore(url=db.url)) == "text"
    for wrong in ({"password": "another"}, {"username": None, "password": None}):
        with pytest.raises(ERRORS):
            receives(datastore(**{**entry(server), **wrong}))


@both
@pytest.mark.parametrize(
    ("options", "connects"),
    [
        ({"ca": "ca"}, True),
        ({"ca": "other_ca"}, False),
        ({"sslmode": "verify-full"}, False),
        ({"sslmode": "require"}, True),
        ({"sslmode": "verify-ca", "ca": "ca"}, True),
    ],
)
def test_tls_is_as_strict_as_its_mode(server, certificates, datastore, receives, options, connects):
    files = {key: getattr(certificates, value, value) for key, value in options.items()}
    db = datastore(**entry(server, "secure", options=files))
    if connects:
        assert receives(db) == "text"
    else:
        with pytest.raises(ERRORS):
            receives(db)


@both
def test_what_asks_for_tls_does_not_connect_without(server, certificates, datastore, receives):
    with pytest.raises((*ERRORS, OSError)):
        receives(datastore(**entry(server, options={"ca": certificates.ca})))


@both
@pytest.mark.parametrize(("scheme", "listener"), [("mqtt+ws", "websocket"), ("mqtt+wss", "secure_websocket")])
def test_websocket_with_and_without_tls(server, certificates, datastore, receives, scheme, listener):
    login = {"username": "u0", "password": TEXTS[0]}
    options = {"ca": certificates.ca} if "secure" in listener else {}
    db = datastore(url=f"{scheme}://127.0.0.1:{server[listener]}/mqtt", options=options, **login)
    assert receives(db) == "text"


def test_a_client_id_and_the_time_that_connecting_may_take_are_passed_on(datastore):
    db = datastore(type="mqtt", host="h", options={"client_id": "orders", "keepalive": 9, "connect_timeout": 3})
    expected = {"hostname": "h", "port": 1883, "identifier": "orders", "keepalive": 9, "timeout": 3}
    assert db.for_driver("aiomqtt") == expected
    with pytest.raises(DriverError, match="connect_timeout"):
        db.for_driver("paho-mqtt")
    with pytest.raises(DriverError, match="/mqtt"):
        datastore(url="mqtt+ws://h/other").for_driver("paho-mqtt")
    assert datastore(url="mqtt+ws://h/other").for_driver("aiomqtt")["websocket_path"] == "/other"
