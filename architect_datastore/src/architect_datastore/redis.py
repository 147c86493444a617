"""Redis and Valkey (https://www.iana.org/assignments/uri-schemes/prov/redis)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from pydantic import Field

from architect_core.contract import hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, mode_of, translated
from architect_datastore.kit.url import build_url
from architect_datastore.tls import Flag, TlsOptions, TlsParser, TlsUrls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import CredentialParser, Credentials, DatastoreProvisioner, DatastoreTarget

ARCHITECT_CONTRACT = 1

# as redis-py and others write them: unix://username:password@/run/redis.sock?db=0
_SOCKET = re.compile(
    r"(?:unix|(?:redis|valkey)\+(?:unix|socket))://([^/?#]*@|)(/[^?#]*)(.*)", re.IGNORECASE | re.DOTALL
)


class RedisOptions(TlsOptions):
    """Options of a Redis or Valkey datastore, besides those of TLS those of redis-py.

    Attributes:
        connect_timeout: seconds that connecting may take; redis-py's `socket_connect_timeout`.
        socket_timeout: seconds that an answer may take.
        socket_keepalive: whether the system probes an idle connection.
        health_check_interval: seconds after which an idle connection is tried before it is used.
        max_connections: how many a pool may open.
        client_name: what the server's list of clients calls this one.
        protocol: the version of RESP, 2 or 3.
        decode_responses: whether answers are text instead of bytes.
    """

    connect_timeout: float | None = Field(default=None, gt=0)
    socket_timeout: float | None = Field(default=None, gt=0)
    socket_keepalive: bool | None = None
    health_check_interval: int | None = Field(default=None, ge=0)
    max_connections: int | None = Field(default=None, gt=0)
    client_name: str | None = None
    protocol: int | None = Field(default=None, gt=0)
    decode_responses: bool | None = None


def redis(db: Credentials) -> dict[str, Any]:
    """`redis.Redis` and `redis.asyncio.Redis`."""
    host = db.host or ""
    place = {"unix_socket_path": host} if host.startswith("/") else {"host": host, "port": db.port}
    arguments = given(**place, username=db.username, password=db.password, db=int(db.name or 0))
    same = [name for name in RedisOptions.model_fields if name not in TlsOptions.model_fields]
    names = {**{name: name for name in same}, "connect_timeout": "socket_connect_timeout"}
    files = {"ca": "ssl_ca_certs", "certificate": "ssl_certfile", "key": "ssl_keyfile"}
    arguments |= translated(db, "redis", {**names, **files}, "sslmode")
    mode = mode_of(db, "redis")
    if mode is None:
        return arguments
    required = "none" if mode == "require" else "required"
    return {**arguments, "ssl": True, "ssl_cert_reqs": required, "ssl_check_hostname": mode == "verify-full"}


class RedisParser(TlsParser):
    """Credentials for redis-py: `redis.Redis(**db.for_driver("redis"))`. The name is a number, "0" unless stated.

    A socket is a `host` that starts with "/", or a URL such as "unix:///run/redis.sock?db=0".
    """

    Options = RedisOptions
    tls = TlsUrls(
        schemes={"redis": "rediss"},
        certificate=Flag("ssl_cert_reqs", on=("required", "optional"), off=("none",)),
        hostname=Flag("ssl_check_hostname"),
        names={
            "ssl_ca_certs": "ca",
            "ssl_certfile": "certificate",
            "ssl_keyfile": "key",
            "socket_connect_timeout": "connect_timeout",
        },
    )

    other_protocols: ClassVar = {
        "sentinel": "Sentinels tell where a server is; give a server's own URL, redis://host:6379",
        "cluster": "a cluster has clients of its own; give the URL of one node, redis://host:6379, and pass it to one",
    }

    def __init__(self) -> None:
        schemes = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
        super().__init__(
            "redis", port_of("redis"), schemes, {"db": "name"}, drivers={"redis": redis, "redis-py": redis}
        )

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """As of all others; the URL of a socket is read as one with an encoded host."""
        if match := _SOCKET.fullmatch(target.config.url or ""):
            path = quote(match[2], safe="%")
            config = target.config.model_copy(update={"url": f"redis://{match[1]}{path}{match[3]}"})
            target = replace(target, config=config)
        return super().credentials(target)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """A Redis database has a number for a name."""
        fields.setdefault("name", "0")
        if not (fields["name"].isascii() and fields["name"].isdigit() and len(fields["name"]) < 10):
            raise target.error("name", "must be the number of a Redis database, such as 0")

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Without what redis-py would take for true, as any text, and what is so anyway."""
        stated = {key: value for key, value in options.items() if (key, value) != ("decode_responses", False)}
        return super().write_options(scheme, stated)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """That of redis-py."""
        if not fields["host"].startswith("/"):
            return super().url(scheme, fields, query)
        if scheme == "rediss":
            raise ValueError("a socket has no TLS; leave `sslmode`, `ca` and `certificate` out")
        login = {key: value for key, value in fields.items() if key in {"username", "password"}}
        start = build_url("unix", login, {}).removesuffix("/")
        rest = build_url("", {}, {"db": fields["name"], **query}).partition("?")[2]
        return f"{start}{quote(fields['host'])}?{rest}"


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return RedisParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Starts a server for `architect run`."""
    from architect_datastore.redis_server import RedisProvisioner

    return RedisProvisioner()
