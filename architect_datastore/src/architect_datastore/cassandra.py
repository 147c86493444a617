"""Cassandra and ScyllaDB (https://docs.datastax.com/en/developer/python-driver/latest/api/cassandra/cluster/)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, translated
from architect_datastore.options import TLS
from architect_datastore.tls import Flag, TlsOptions, TlsParser


class CassandraOptions(TlsOptions):
    """Options of a Cassandra datastore.

    Attributes:
        connect_timeout: seconds that connecting may take.
        protocol_version: the version of the protocol, by default the newest that the server has.
        application_name: the name of this program for the server.
    """

    connect_timeout: float | None = Field(default=None, gt=0)
    protocol_version: int | None = Field(default=None, gt=0)
    application_name: str | None = None


def cassandra(db: Credentials) -> dict[str, Any]:
    """`cassandra.cluster.Cluster` of cassandra-driver and scylla-driver. The keyspace is `db.name`, for `connect`."""
    names = {name: name for name in ("connect_timeout", "protocol_version", "application_name")}
    arguments = translated(db, "cassandra-driver", names, *TLS)
    points = [host if port == db.port else (host, port) for host, port in db.hosts]
    arguments |= {"contact_points": points, "port": db.port}
    if db.options.get("sslmode") not in {None, "disable"}:
        arguments["ssl_context"] = client_context(db, "cassandra-driver")
    if db.username is None and db.password is None:
        return arguments
    try:
        from cassandra.auth import PlainTextAuthProvider  # a login has to be one of its objects
    except ImportError:
        raise DriverError("a login needs a class of cassandra-driver; pip install cassandra-driver") from None
    return {**arguments, "auth_provider": PlainTextAuthProvider(db.username or "", db.password or "")}


class CassandraParser(TlsParser):
    """Credentials for Cassandra's drivers: `cassandra.cluster.Cluster(**db.for_driver("cassandra-driver"))`.

    Several hosts are the contact points. The name is a keyspace.
    """

    Options = CassandraOptions
    sockets = False
    several_hosts = True
    default_host = "localhost"
    encrypted = Flag("ssl")
    tls_ports = frozenset({9142})  # `native_transport_port_ssl`, which Amazon Keyspaces has
    keys: ClassVar = {
        "hosts": ("contactpoints", "contactpoint", "nodeips", "nodes", "servers", "cassandrahosts"),
        "port": ("cqlshport", "cqlport", "nativeport", "nativetransportport"),
        "name": ("keyspace", "keyspacename"),
    }


PARSER = CassandraParser(
    "cassandra",
    port_of("cassandra"),
    schemes=dict.fromkeys(("cassandra", "scylladb", "scylla"), "cassandra"),
    drivers=dict.fromkeys(("cassandra-driver", "scylla-driver", "cassandra"), cassandra),
)
