"""Redis and Valkey (https://www.iana.org/assignments/uri-schemes/prov/redis)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field

from architect_core.contract import CredentialParser, Credentials, DatastoreProvisioner, DatastoreTarget, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, translated
from architect_datastore.kit.url import build_url
from architect_datastore.options import Path
from architect_datastore.tls import Flag, TlsOptions, TlsParser

ARCHITECT_CONTRACT = 2

# as redis-py and others write them: unix://username:password@/run/redis.sock?db=0
_SOCKET = re.compile(
    r"(?:unix|(?:redis|valkey)\+(?:unix|socket))://([^/?#]*@|)(/[^?#]*)(.*)", re.IGNORECASE | re.DOTALL
)


class RedisOptions(TlsOptions):
    """Options of a Redis or Valkey datastore, besides those of TLS those of redis-py.

    Attributes:
        connect_timeout: seconds that connecting may take; redis-py's `socket_connect_timeout`.
        socket_timeout: seconds that a response may take.
        socket_keepalive: whether TCP keepalive is on.
        health_check_interval: seconds after which an idle connection is checked before it is used.
        max_connections: the size of the connection pool.
        client_name: the name of this client in the server's list.
        protocol: the version of RESP, 2 or 3.
        decode_responses: whether responses are text instead of bytes.
        encoding: the encoding of text, "utf-8" by default.
        encoding_errors: how text that has no such encoding is handled, "strict" by default.
        retry_on_timeout: whether a command is sent again after a timeout.
        socket_read_size: bytes that are read at once.
        lib_name: the name of this library in the server's list; `lib_version` is its version.
        legacy_responses: whether responses are in the form of RESP 2.
        ssl_min_version: the lowest version of TLS, by its number in Python's `ssl.TLSVersion`.
        ssl_ciphers: the ciphers of TLS, as OpenSSL has them.
        ssl_ca_path: the path of a folder with the certificates of authorities.
        ssl_password: the password of `key`.
    """

    connect_timeout: float | None = Field(default=None, gt=0)
    socket_timeout: float | None = Field(default=None, gt=0)
    socket_keepalive: bool | None = None
    health_check_interval: int | None = Field(default=None, ge=0)
    max_connections: int | None = Field(default=None, gt=0)
    client_name: str | None = None
    protocol: int | None = Field(default=None, gt=0)
    decode_responses: bool | None = None
    encoding: str | None = None
    encoding_errors: str | None = None
    retry_on_timeout: bool | None = None
    socket_read_size: int | None = Field(default=None, gt=0)
    lib_name: str | None = None
    lib_version: str | None = None
    legacy_responses: bool | None = None
    ssl_min_version: int | None = None
    ssl_ciphers: str | None = None
    ssl_ca_path: Path | None = None
    ssl_password: str | None = None


def redis(db: Credentials) -> dict[str, Any]:
    """`redis.Redis`, `redis.asyncio.Redis`, and `RedisCluster` of both, which refuses a `db`, 0 included."""
    host = db.host or ""
    address = {"unix_socket_path": host} if host.startswith("/") else {"host": host, "port": db.port}
    arguments = given(**address, username=db.username, password=db.password, db=int(db.name or 0) or None)
    same = [name for name in RedisOptions.model_fields if name not in TlsOptions.model_fields]
    names = {**{name: name for name in same}, "connect_timeout": "socket_connect_timeout"}
    files = {"ca": "ssl_ca_certs", "certificate": "ssl_certfile", "key": "ssl_keyfile"}
    arguments |= translated(db, "redis", {**names, **files}, "sslmode")
    mode = db.options.get("sslmode")
    if mode is None:
        return arguments
    required = "none" if mode == "require" else "required"
    return {**arguments, "ssl": True, "ssl_cert_reqs": required, "ssl_check_hostname": mode == "verify-full"}


class RedisParser(TlsParser):
    """Credentials for redis-py: `redis.Redis(**db.for_driver("redis"))`. The name is a number, "0" by default.

    A socket is a `host` that starts with "/", or a URL such as "unix:///run/redis.sock?db=0".
    """

    Options = RedisOptions
    default_host = "localhost"
    tls_schemes: ClassVar = {"redis": "rediss"}
    # redis-py's words, and those of Python's `ssl`, which Celery and kombu have
    certificate = Flag(
        "ssl_cert_reqs", ("required", "optional", "cert_required", "cert_optional"), ("none", "cert_none")
    )
    hostname = Flag("ssl_check_hostname")
    option_names: ClassVar = {
        "ssl_ca_certs": "ca",
        "ssl_certfile": "certificate",
        "ssl_keyfile": "key",
        "socket_connect_timeout": "connect_timeout",
    }

    keys: ClassVar = {"password": ("redispassword", "primarykey", "primaryaccesskey", "redisprimarykey", "authtoken")}

    other_protocols: ClassVar = {
        "sentinel": "Sentinels only know where a server is; give the URL of a server, redis://host:6379",
        "cluster": "a cluster needs a client of its own; give that the URL of one node, redis://host:6379",
    }

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; a socket in a URL is read as a percent-encoded host."""
        if match := _SOCKET.fullmatch(target.config.url or ""):
            path = quote(match[2], safe="%")
            config = target.config.model_copy(update={"url": f"redis://{match[1]}{path}{match[3]}"})
            target = replace(target, config=config)
        return super().credentials(target)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` unless the name is a number."""
        fields.setdefault("name", "0")
        if not (fields["name"].isascii() and fields["name"].isdigit() and len(fields["name"]) < 10):
            raise target.error("name", "the database must be a number, such as 0")

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Omits "decode_responses=False": it is the default, and redis-py reads any text as true."""
        written = {key: value for key, value in options.items() if (key, value) != ("decode_responses", False)}
        return super().write_options(scheme, written)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL that redis-py reads."""
        if not fields["host"].startswith("/"):
            return super().url(scheme, fields, query)
        if scheme == "rediss":
            raise ValueError("a socket has no TLS; remove the options of TLS")
        login = {key: value for key, value in fields.items() if key in {"username", "password"}}
        start, _, rest = build_url("unix", login, {"db": fields["name"], **query}).partition("/?")
        return f"{start}{quote(fields['host'])}?{rest}"


@hookimpl
def architect_credential_parser() -> CredentialParser:
    return RedisParser(
        "redis",
        port_of("redis"),
        schemes={"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"},
        aliases={"db": "name", "username": "username", "password": "password"},
        drivers={"redis": redis, "redis-py": redis},
    )


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    from architect_datastore.redis_server import RedisProvisioner

    return RedisProvisioner()
