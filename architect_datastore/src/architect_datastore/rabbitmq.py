"""RabbitMQ and other AMQP 0-9-1 brokers (https://www.rabbitmq.com/docs/uri-spec and uri-query-parameters)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials, DatastoreTarget
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given, mode_of, refusal, translated
from architect_datastore.kit.url import build_url
from architect_datastore.options import TLS
from architect_datastore.tls import Flag, TlsOptions, TlsParser

# options of a URL that only pika has
_PIKA = (
    "blocked_connection_timeout",
    "channel_max",
    "connection_attempts",
    "frame_max",
    "locale",
    "retry_delay",
    "socket_timeout",
    "stack_timeout",
)
_AIO_PIKA = ("heartbeat", "name", "timeout")


class RabbitmqOptions(TlsOptions):
    """Options of a RabbitMQ datastore.

    Attributes:
        heartbeat: seconds between heartbeats; 0 for none.
        connect_timeout: seconds that connecting may take.
        server_name_indication: the name in the server's certificate, if it is another than the host.
        auth_mechanism: how the user may be authenticated, such as "plain" or "external"; one, or a list.
    """

    heartbeat: int | None = Field(default=None, ge=0)
    connect_timeout: float | None = Field(default=None, gt=0)
    server_name_indication: str | None = None
    auth_mechanism: str | list[str] | None = None


def pika(db: Credentials) -> dict[str, Any]:
    """`pika.URLParameters`, for any of pika's connections."""
    names = {**{name: name for name in _PIKA}, "heartbeat": "heartbeat", "connect_timeout": "socket_timeout"}
    query = translated(db, "pika", names, "server_name_indication", "auth_mechanism", *TLS)
    _check_mechanism(db, "pika", "plain")
    mode_of(db, "pika", "verify-full")
    options = db.options
    if "certificate" in options and "ca" not in options:
        raise refusal("pika", "certificate", "it needs the option 'ca' too")
    if "server_name_indication" in options and "ca" not in options:
        raise refusal("pika", "server_name_indication", "it needs the option 'ca' too")
    files = given(
        ca_certs=options.get("ca"),
        certfile=options.get("certificate"),
        keyfile=options.get("key"),
        server_hostname=options.get("server_name_indication"),
    )
    return {"url": _url(db, {**query, **({"ssl_options": repr(files)} if files else {})})}


def aio_pika(db: Credentials) -> dict[str, Any]:
    """`aio_pika.connect` and `aio_pika.connect_robust`."""
    names = {name: name for name in _AIO_PIKA}
    query = translated(db, "aio-pika", names, "connect_timeout", "auth_mechanism", *TLS)
    mechanism = _check_mechanism(db, "aio-pika", "plain", "external")
    if mechanism not in {None, "plain"}:
        query["auth"] = mechanism
    if "%2F" in (db.name or ""):  # aiormq decodes it a second time
        raise DriverError("aio-pika reads %2F in the name of a virtual host as '/'; use pika, or another virtual host")
    context = client_context(db, "aio-pika") if db.options.get("sslmode") else None
    return {"url": _url(db, query), **given(ssl_context=context, timeout=db.options.get("connect_timeout"))}


def kombu(db: Credentials) -> dict[str, Any]:
    """`kombu.Connection`, on py-amqp, which verifies the host that it is given the name of."""
    names = {"heartbeat": "heartbeat", "connect_timeout": "connect_timeout"}
    query = translated(db, "kombu", names, "server_name_indication", "auth_mechanism", *TLS)
    mechanism = _check_mechanism(db, "kombu", "plain", "external", "amqplain")
    login = given(hostname=db.host, port=db.port, userid=db.username, password=db.password, virtual_host=db.name)
    arguments = {"transport": "pyamqp", **login, **given(login_method=mechanism and mechanism.upper()), **query}
    mode = db.options.get("sslmode")
    return arguments if mode is None else {**arguments, "ssl": _kombu_tls(db, mode)}


def _kombu_tls(db: Credentials, mode: str) -> dict[str, Any]:
    import ssl  # takes a while, and most programs connect without it

    host = (db.options.get("server_name_indication") or db.host) if mode == "verify-full" else None
    return given(
        cert_reqs=ssl.CERT_NONE if mode == "require" else ssl.CERT_REQUIRED,
        server_hostname=host,
        ca_certs=db.options.get("ca"),
        certfile=db.options.get("certificate"),
        keyfile=db.options.get("key"),
    )


def _check_mechanism(db: Credentials, driver: str, *known: str) -> str | None:
    """Returns the first of the allowed mechanisms that the driver has; None if any is allowed."""
    allowed = db.options.get("auth_mechanism")
    if allowed is None:
        return None
    for mechanism in allowed if isinstance(allowed, list) else [allowed]:
        if mechanism.lower() in known:
            return str(mechanism.lower())
    raise refusal(driver, "auth_mechanism", f"it has {' and '.join(known)}; allow one of them")


def _url(db: Credentials, query: dict[str, Any]) -> str:
    fields = given(host=db.host, port=db.port, username=db.username, password=db.password, name=db.name)
    if db.username is not None:
        fields.setdefault("password", "")
    return build_url("amqps" if db.options.get("sslmode") else "amqp", fields, query)


class RabbitmqParser(TlsParser):
    """Credentials for pika, aio-pika and kombu: `pika.URLParameters(**db.for_driver("pika"))`.

    The name is a virtual host.
    """

    Options = RabbitmqOptions
    sockets = False
    default_host = "localhost"
    repeated = frozenset({"auth_mechanism"})
    tls_schemes: ClassVar = {"amqp": "amqps"}
    tls_ports = frozenset({port_of("amqps")})
    keys: ClassVar = {"name": ("vhost", "virtualhost")}
    certificate = Flag("verify", on=("verify_peer",), off=("verify_none",))
    option_names: ClassVar = {
        "cacertfile": "ca",
        "certfile": "certificate",
        "keyfile": "key",
        # aio-pika's
        "cafile": "ca",
        "auth": "auth_mechanism",
        "connection_timeout": "connect_timeout",
    }

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns another port for TLS."""
        return port_of("amqps") if options.get("sslmode") else self.default_port

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:  # noqa: ARG002 - to override
        """Sets the default virtual host, "/"."""
        fields.setdefault("name", "/")

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the timeout of a URL, which is in milliseconds, and aio-pika's `no_verify_ssl`."""
        query = dict(query)
        if query.pop("no_verify_ssl", "0") != "0":
            query.setdefault("verify", "verify_none")
        found = super().read_options(scheme, query)
        if found.get("server_name_indication") == "disable":  # then Erlang compares no name either
            del found["server_name_indication"]
            if found.get("sslmode") == "verify-full":
                found["sslmode"] = "verify-ca"
        if "connect_timeout" in found:
            if not re.fullmatch(r"\d{1,9}", str(found["connect_timeout"]), re.ASCII):
                raise ValueError("has a connection_timeout that is no number of milliseconds")
            found["connect_timeout"] = int(found["connect_timeout"]) / 1000
        return found

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes the timeout of a URL, which is in milliseconds."""
        scheme, query = super().write_options(scheme, options)
        if "connection_timeout" in query:
            query["connection_timeout"] = round(query["connection_timeout"] * 1000)
        return scheme, query


PARSER = RabbitmqParser(
    "rabbitmq",
    port_of("rabbitmq"),
    schemes={"amqp": "amqp", "amqps": "amqps", "rabbitmq": "amqp", "pyamqp": "amqp"},
    drivers={"pika": pika, "aio-pika": aio_pika, "kombu": kombu},
)
