"""NATS (https://docs.nats.io/using-nats/developer/connecting)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given, translated
from architect_datastore.kit.url import build_url
from architect_datastore.options import TLS, Path
from architect_datastore.tls import TlsOptions, TlsParser

_WEB = ("ws", "wss")


class NatsOptions(TlsOptions):
    """Options of a NATS datastore.

    Attributes:
        token: a token to log in with instead of a user and a password. A user without a password in a URL is one.
        credentials: the path of a file with a JWT and the seed of an NKey, which usually ends with ".creds".
        nkey: the path of a file with the seed of an NKey.
        handshake_first: whether TLS starts before the server's first message, as the server must be configured, too.
        tls_hostname: the name in the servers' certificates, if it is another than the host.
        client_name: the name of this client in the server's list.
        connect_timeout: seconds that connecting may take.
    """

    token: str | None = None
    credentials: Path | None = None
    nkey: Path | None = None
    handshake_first: bool | None = None
    tls_hostname: str | None = None
    client_name: str | None = None
    connect_timeout: float | None = Field(default=None, gt=0)


_NAMES = {
    "token": "token",
    "credentials": "user_credentials",
    "nkey": "nkeys_seed",
    "handshake_first": "tls_handshake_first",
    "tls_hostname": "tls_hostname",
    "client_name": "name",
    "connect_timeout": "connect_timeout",
}


def nats_py(db: Credentials) -> dict[str, Any]:
    """`nats.connect`."""
    arguments = translated(db, "nats-py", _NAMES, *TLS)
    if db.password is not None and db.username is None:
        raise DriverError("nats-py needs a user name beside the password; a token is the option 'token'")
    scheme = (db.url or "").partition("://")[0]
    servers = [build_url(scheme, {"host": host, "port": port}, {}).removesuffix("/") for host, port in db.hosts]
    arguments |= {"servers": servers, **given(user=db.username, password=db.password)}
    return arguments if db.options.get("sslmode") is None else {**arguments, "tls": client_context(db, "nats-py")}


class NatsParser(TlsParser):
    """Credentials for nats-py: `await nats.connect(**db.for_driver("nats-py"))`. A server has no name."""

    Options = NatsOptions
    sockets = False
    several_hosts = True
    default_host = "localhost"
    tls_schemes: ClassVar = {"nats": "tls", "ws": "wss"}
    option_names: ClassVar = {
        "tls_handshake_first": "handshake_first",
        "user_credentials": "credentials",
        "nkeys_seed": "nkey",
    }
    keys: ClassVar = {
        "hosts": ("servers", "natsservers", "urls", "uris", "natsurl", "cluster"),
        "token": ("token", "authtoken", "natstoken"),
        "credentials": ("creds", "credsfile", "credentialsfile", "usercredentials"),
        "nkey": ("nkeysseed", "nkeyfile"),
    }

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:
        """Returns the ports of HTTP and HTTPS for WebSocket."""
        if scheme not in _WEB:
            return self.default_port
        return port_of("http" if options.get("sslmode") is None else "https")

    def login(self, fields: dict[str, Any], options: dict[str, Any]) -> None:
        """Reads a user without a password as a token, unless a file is the login."""
        if "username" in fields and "password" not in fields and not {"credentials", "nkey"} & set(options):
            user = fields.pop("username")
            if user:
                options.setdefault("token", user)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL with a token as its user."""
        rest = {key: value for key, value in query.items() if key != "token"}
        if "token" in query and not {"username", "password"} & set(fields):
            return super().url(scheme, {**fields, "username": query["token"]}, rest)
        return super().url(scheme, fields, query)


PARSER = NatsParser(
    "nats",
    port_of("nats"),
    schemes={"nats": "nats", "tls": "tls", "ws": "ws", "wss": "wss"},
    drivers={"nats-py": nats_py, "nats": nats_py},
)
