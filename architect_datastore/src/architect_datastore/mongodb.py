"""MongoDB (https://www.mongodb.com/docs/manual/reference/connection-string/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from architect_core.contract import CredentialParser, Options, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.kit.url import build_url
from architect_datastore.path import Path  # noqa: TC001 - pydantic reads it
from architect_datastore.tls import FALSE, TRUE, Flag, TlsParser, TlsUrls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Credentials

ARCHITECT_CONTRACT = 1

_SRV = "mongodb+srv"


class MongoOptions(Options):
    """Options of a MongoDB datastore. A URL's query may have any of MongoDB's.

    Attributes:
        sslmode: what is asked of TLS; `ca` or `certificate` alone ask for "verify-full", and so does "mongodb+srv".
        ca: the path of a file with the certificates of the authorities that may have signed the server's, PEM; those of
            the system unless given.
        certificate: the path of a file with the client's certificate and its key, PEM.
        auth_source: the database that knows the user; the URL's own unless given, and "admin" where it names none.
        auth_mechanism: how the user is known, such as "SCRAM-SHA-256".
        replica_set: the replica set's name.
        direct_connection: whether to talk to the host that is named, whatever it is part of.
        application_name: what the server's logs call this program.
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
    """`pymongo.MongoClient`, `pymongo.AsyncMongoClient` and Motor's client: the URL, which says it all."""
    return {"host": db.url}


class MongoParser(TlsParser):
    """Credentials for PyMongo and Motor: `pymongo.MongoClient(**db.for_driver("pymongo"))`."""

    Options = MongoOptions
    several_hosts = True
    repeats_options = True  # readPreferenceTags
    tls = TlsUrls(
        encrypted=Flag("tls"),
        certificate=Flag("tlsAllowInvalidCertificates", on=FALSE, off=TRUE),
        hostname=Flag("tlsAllowInvalidHostnames", on=FALSE, off=TRUE),
        names={
            "tlsCAFile": "ca",
            "tlsCertificateKeyFile": "certificate",
            "authSource": "auth_source",
            "authMechanism": "auth_mechanism",
            "replicaSet": "replica_set",
            "directConnection": "direct_connection",
            "appName": "application_name",
            "ssl": "tls",
            "tlsInsecure": "tlsAllowInvalidCertificates",
        },
    )

    def __init__(self) -> None:
        drivers = {"pymongo": pymongo, "motor": pymongo}
        super().__init__("mongodb", port_of("mongodb"), {"mongodb": "mongodb", _SRV: _SRV}, drivers=drivers)

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """With "mongodb+srv", the DNS says where."""
        return None if scheme == _SRV else self.default_port

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """MongoDB writes true and false in lower case."""
        texts = {key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()}
        return super().write_options(scheme, texts)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """As MongoDB's documentation writes it; where the DNS says, a URL cannot."""
        if scheme == _SRV and ("port" in fields or "hosts" in fields):
            raise ValueError("mongodb+srv takes one host and no port, which the DNS tells")
        return build_url(scheme, fields, query, self.socket, bare=":,")  # PyMongo does not decode readPreferenceTags


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return MongoParser()
