"""Qdrant (https://python-client.qdrant.tech)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials, DatastoreTarget
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, translated
from architect_datastore.options import TLS
from architect_datastore.tls import TlsOptions, TlsParser

_GRPC_PORT = 6334


class QdrantOptions(TlsOptions):
    """Options of a Qdrant datastore.

    Attributes:
        api_key: the key to log in with. Without a scheme and an `sslmode`, it means TLS, as for Qdrant's client.
        grpc_port: the port of gRPC, 6334 by default.
        prefer_grpc: whether the client uses gRPC where it can; by default only if the `port` is that of gRPC.
        timeout: seconds that a response may take.
    """

    api_key: str | None = None
    grpc_port: int | None = Field(default=None, gt=0, lt=65536)
    prefer_grpc: bool | None = None
    timeout: int | None = Field(default=None, gt=0)


def qdrant_client(db: Credentials) -> dict[str, Any]:
    """`qdrant_client.QdrantClient` and `AsyncQdrantClient`."""
    names = {name: name for name in ("api_key", "grpc_port", "prefer_grpc", "timeout")}
    arguments = translated(db, "qdrant-client", names, *TLS)
    mode = db.options.get("sslmode")
    arguments |= {"host": db.host, "port": db.port, "https": mode not in {None, "disable"}}
    if db.port == _GRPC_PORT and "grpc_port" not in arguments:
        arguments = {"prefer_grpc": True, **arguments, "port": port_of("qdrant"), "grpc_port": _GRPC_PORT}
    if db.name:
        arguments["prefix"] = db.name
    if db.username is not None:
        arguments["auth"] = (db.username, db.password or "")
    if arguments["https"] and (mode != "verify-full" or {"ca", "certificate"} & set(db.options)):
        arguments["verify"] = client_context(db, "qdrant-client")
    if arguments.get("prefer_grpc") and {"auth", "verify"} & set(arguments):
        raise DriverError("qdrant-client has no user name and no TLS but verify-full for gRPC; use the port of HTTP")
    return arguments


class QdrantParser(TlsParser):
    """Credentials for Qdrant's client: `qdrant_client.QdrantClient(**db.for_driver("qdrant-client"))`.

    The path of a URL is that of a server behind a proxy; a collection is named in each call.
    """

    Options = QdrantOptions
    sockets = False
    default_host = "localhost"
    has_database = False
    tls_schemes: ClassVar = {"http": "https"}
    tls_ports = frozenset({port_of("https")})
    keys: ClassVar = {
        "hosts": ("endpoint", "clusterendpoint", "clusterurl"),
        "api_key": ("apikey", "qdrantapikey", "key"),
        "port": ("httpport",),
        "grpc_port": ("grpcport",),
    }
    keywords: ClassVar = {"key": "api_key"}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; raises ConfigError if the entry has a `name`."""
        if target.config.name is not None:
            raise target.error("name", "is not used: a collection is named in each call, and a path belongs into `url`")
        return super().credentials(target)

    def login(self, fields: dict[str, Any], options: dict[str, Any]) -> None:
        """Reads a password without a user as an API key."""
        if "password" in fields and "username" not in fields:
            options.setdefault("api_key", fields.pop("password"))

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads from "http" that there is no TLS, which an API key alone does not say."""
        found = super().read_options(scheme, query)
        return {"sslmode": "disable", **found} if scheme == "http" else found

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """An API key means TLS if nothing says otherwise."""
        secure = {"sslmode": "verify-full"} if "api_key" in options and options.get("sslmode") is None else {}
        return super().combine_options({**options, **secure}, target)


PARSER = QdrantParser(
    "qdrant",
    port_of("qdrant"),
    schemes={"http": "http", "https": "https", "qdrant": "http"},
    drivers={"qdrant-client": qdrant_client, "qdrant": qdrant_client},
)
