"""MongoDB (https://www.mongodb.com/docs/manual/reference/connection-string/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from architect_core.contract import Credentials, DatastoreTarget, Options
from architect_core.plugins.known import port_of
from architect_datastore.kit.tls_keys import FALSE, TRUE
from architect_datastore.kit.url import build_url
from architect_datastore.options import Path
from architect_datastore.tls import Flag, TlsParser

_SRV = "mongodb+srv"
_ALLOWING = frozenset({"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"})
_TURN_TLS_ON = frozenset({"tls", "ssl", "sslmode", "tlscafile", "tlscertificatekeyfile"})


def _allows(key: str, value: object) -> bool:
    return key.lower() in _ALLOWING and str(value).lower() in TRUE


class MongoOptions(Options):
    """Options of a MongoDB datastore. A URL's query may have any of MongoDB's.

    Attributes:
        sslmode: the TLS mode; "verify-full" if only `ca` or `certificate` is given, and for "mongodb+srv".
        ca: the path of a PEM file with the certificates of the authorities that may have signed the server's; those of
            the system by default.
        certificate: the path of a PEM file with the client's certificate and its key.
        auth_source: the database that the user is defined in; by default that of the URL, else "admin".
        auth_mechanism: how the user is authenticated, such as "SCRAM-SHA-256".
        replica_set: the replica set's name.
        direct_connection: whether to connect to the given host only, even if it is part of a replica set.
        application_name: the name of this program in the server's logs.
    """

    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] | None = None
    ca: Path | None = None
    certificate: Path | None = None
    auth_source: str | None = None
    auth_mechanism: str | None = None
    replica_set: str | None = None
    direct_connection: bool | None = None
    application_name: str | None = None


def pymongo(db: Credentials) -> dict[str, Any]:
    """`pymongo.MongoClient`, `pymongo.AsyncMongoClient` and Motor's client: the URL."""
    return {"host": db.url}


class MongoParser(TlsParser):
    """Credentials for PyMongo and Motor: `pymongo.MongoClient(**db.for_driver("pymongo"))`."""

    Options = MongoOptions
    several_hosts = True
    relative_sockets = True
    repeats_options = True  # readPreferenceTags
    encrypted = Flag("tls")
    certificate = Flag("tlsAllowInvalidCertificates", on=FALSE, off=TRUE)
    hostname = Flag("tlsAllowInvalidHostnames", on=FALSE, off=TRUE)
    option_names: ClassVar = {
        "tlsCAFile": "ca",
        "tlsCertificateKeyFile": "certificate",
        "authSource": "auth_source",
        "authMechanism": "auth_mechanism",
        "replicaSet": "replica_set",
        "directConnection": "direct_connection",
        "appName": "application_name",
        "ssl": "tls",
        "tlsAllowInvalidCertificates": "tlsAllowInvalidCertificates",
        "tlsInsecure": "tlsAllowInvalidCertificates",
    }

    keys: ClassVar = {
        "url": ("connectionstringstandard", "connectionstringstandardsrv"),  # of the operator's secrets
        "auth_source": ("authsource", "authenticationdatabase"),
        "auth_mechanism": ("authmechanism", "authenticationmechanism"),
        "replica_set": ("replicaset", "replicasetname"),
    }

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps options that allow invalid certificates as they are if nothing turns TLS on: they alone do not."""
        names = {key.lower() for key in query}
        if scheme == _SRV or names & _TURN_TLS_ON:
            return super().read_options(scheme, query)
        allowing = {key: value for key, value in query.items() if _allows(key, value)}
        others = {key: value for key, value in query.items() if key not in allowing}
        return {**super().read_options(scheme, others), **allowing}

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """An `sslmode` from elsewhere overrides options that allow invalid certificates."""
        options = super().combine_options(options, target)
        if "sslmode" not in options:
            return options
        return {key: value for key, value in options.items() if key.lower() not in _ALLOWING}

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns None for "mongodb+srv", whose ports are in the DNS."""
        return None if scheme == _SRV else self.default_port

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes true and false in lower case."""
        texts = {key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()}
        return super().write_options(scheme, texts)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL in the form of MongoDB's documentation; with "mongodb+srv", ports and hosts are in the DNS."""
        if scheme == _SRV and ("port" in fields or "hosts" in fields):
            raise ValueError("mongodb+srv takes one host and no port, which is in the DNS")
        return build_url(scheme, fields, query, self.socket, bare=":,")  # PyMongo does not decode readPreferenceTags


PARSER = MongoParser(
    "mongodb",
    port_of("mongodb"),
    schemes={"mongodb": "mongodb", _SRV: _SRV},
    drivers={"pymongo": pymongo, "motor": pymongo},
)
