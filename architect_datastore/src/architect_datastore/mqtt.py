"""MQTT (https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given, refusal, translated
from architect_datastore.options import TLS
from architect_datastore.tls import TlsOptions, TlsParser

_WEB = ("ws", "wss")


class MqttOptions(TlsOptions):
    """Options of an MQTT datastore.

    Attributes:
        client_id: the identifier of this client, which one connection at a time can have.
        keepalive: seconds between messages, after which the server closes the connection.
        connect_timeout: seconds that connecting may take.
    """

    client_id: str | None = None
    keepalive: int | None = Field(default=None, ge=0)
    connect_timeout: float | None = Field(default=None, gt=0)


def aiomqtt(db: Credentials) -> dict[str, Any]:
    """`aiomqtt.Client`."""
    names = {"client_id": "identifier", "keepalive": "keepalive", "connect_timeout": "timeout"}
    arguments = _arguments(db, "aiomqtt", names, "tls_context")
    if "transport" in arguments and db.name:
        arguments["websocket_path"] = f"/{db.name}"
    return {**arguments, **given(username=_username(db), password=db.password)}


def paho(db: Credentials) -> dict[str, Any]:
    """`paho.mqtt.publish.single` and `multiple`, and `paho.mqtt.subscribe.simple` and `callback`."""
    arguments = _arguments(db, "paho-mqtt", {"client_id": "client_id", "keepalive": "keepalive"}, "tls")
    if "transport" in arguments and db.name not in {None, "mqtt"}:
        raise refusal("paho-mqtt", "name", "its functions use the path /mqtt for WebSocket; use aiomqtt")
    auth = given(username=_username(db), password=db.password)
    return {**arguments, "auth": auth} if auth else arguments


def _arguments(db: Credentials, driver: str, names: Mapping[str, str], context: str) -> dict[str, Any]:
    arguments = {"hostname": db.host, "port": db.port, **translated(db, driver, names, *TLS)}
    if (db.url or "").partition(":")[0] in _WEB:
        arguments["transport"] = "websockets"
    if db.options.get("sslmode") is not None:
        arguments[context] = client_context(db, driver)
    return arguments


def _username(db: Credentials) -> str | None:
    return "" if db.username is None and db.password is not None else db.username


class MqttParser(TlsParser):
    """Credentials for MQTT's clients: `aiomqtt.Client(**db.for_driver("aiomqtt"))`.

    The name is the path of a server's WebSocket, "mqtt" by default.
    """

    Options = MqttOptions
    sockets = False
    default_host = "localhost"
    tls_schemes: ClassVar = {"mqtt": "mqtts", "ws": "wss"}
    tls_ports = frozenset({port_of("mqtts")})
    option_names: ClassVar = {"client_id": "client_id", "clientId": "client_id", "keep_alive": "keepalive"}
    keys: ClassVar = {
        "hosts": ("broker", "brokerurl", "server", "servers", "mqtttlsuris", "mqtturis"),
        "username": ("clientusername",),
        "password": ("clientpassword",),
        "client_id": ("clientid",),
    }

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:
        """Returns another port for TLS, and the ports of HTTP and HTTPS for WebSocket."""
        secure = options.get("sslmode") is not None
        if self.schemes[scheme] in _WEB:
            return port_of("https" if secure else "http")
        return port_of("mqtts") if secure else self.default_port


PARSER = MqttParser(
    "mqtt",
    port_of("mqtt"),
    schemes={
        "mqtt": "mqtt",
        "mqtts": "mqtts",
        "tcp": "mqtt",  # Paho's, like "ssl"
        "ssl": "mqtts",
        "tls": "mqtts",
        "ws": "ws",
        "wss": "wss",
    },
    drivers={**dict.fromkeys(("paho-mqtt", "paho"), paho), "aiomqtt": aiomqtt},
)
