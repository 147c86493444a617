"""Neo4j (https://neo4j.com/docs/python-manual/current/connect-advanced/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given
from architect_datastore.kit.url import build_url
from architect_datastore.tls import TlsOptions, TlsParser


class Neo4jOptions(TlsOptions):
    """Options of a Neo4j datastore. The query of a URL with "neo4j" is the routing context, as for its drivers.

    Attributes:
        connect_timeout: seconds that connecting may take.
        user_agent: the name of this program in the server's logs.
    """

    connect_timeout: float | None = Field(default=None, gt=0)
    user_agent: str | None = None


def neo4j(db: Credentials) -> dict[str, Any]:
    """`neo4j.GraphDatabase.driver` and `AsyncGraphDatabase.driver`. The database is `db.name`, for a session."""
    scheme = (db.url or "").partition("+")[0].partition(":")[0]
    context = {key: value for key, value in db.options.items() if key not in Neo4jOptions.model_fields}
    if context and scheme == "bolt":
        raise DriverError("neo4j has a routing context for 'neo4j' URLs only; write neo4j:// or remove the query")
    if db.password is not None and db.username is None:
        raise DriverError("neo4j needs a user name beside the password; Neo4j's own is 'neo4j'")
    address = {"host": db.host, "port": db.port}
    arguments: dict[str, Any] = {"uri": build_url(scheme, address, context).replace("/?", "?").removesuffix("/")}
    if db.username is not None:
        arguments["auth"] = (db.username, db.password or "")
    if db.options.get("sslmode") is not None:
        arguments["ssl_context"] = client_context(db, "neo4j")
    options = given(connection_timeout=db.options.get("connect_timeout"), user_agent=db.options.get("user_agent"))
    return {**arguments, **options}


class Neo4jParser(TlsParser):
    """Credentials for Neo4j's driver: `neo4j.GraphDatabase.driver(**db.for_driver("neo4j"))`.

    The name is a database, which a session is for.
    """

    Options = Neo4jOptions
    sockets = False
    default_host = "localhost"
    tls_schemes: ClassVar = {"neo4j": "neo4j+s", "bolt": "bolt+s"}
    keys: ClassVar = {
        "url": ("bolturl", "bolturi", "neo4juri"),
        "username": ("boltuser", "neo4jusername"),
        "password": ("boltpassword", "neo4jpassword"),
        "name": ("neo4jdatabase",),
    }

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads "+ssc", which is for self-signed certificates, as "require"."""
        return super().read_options(scheme, {"sslmode": "require", **query} if scheme.endswith("+ssc") else query)

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes "require" as "+ssc"."""
        scheme, query = super().write_options(scheme, options)
        if query.get("sslmode") != "require":
            return scheme, query
        return f"{scheme}sc", {key: value for key, value in query.items() if key != "sslmode"}


PARSER = Neo4jParser(
    "neo4j",
    port_of("neo4j"),
    schemes={
        **{name: name for name in ("neo4j", "neo4j+s", "bolt", "bolt+s")},
        "neo4j+ssc": "neo4j+s",
        "bolt+ssc": "bolt+s",
    },
    drivers={"neo4j": neo4j},
)
