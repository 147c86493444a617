"""Amazon S3 and the servers that speak its protocol (https://docs.aws.amazon.com/AmazonS3/latest/API/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from architect_core.contract import Address, CredentialParser, DatastoreTarget, Options, hookimpl
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, translated
from architect_datastore.path import Path  # noqa: TC001 - pydantic reads it
from architect_datastore.tls import TlsParser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Credentials

ARCHITECT_CONTRACT = 1

_BUCKET_OR_HOST = re.compile(r"\s*s3://[^/?#@:]+([/?#]|\Z)", re.IGNORECASE)


class S3Options(Options):
    """Options of an S3 datastore.

    Attributes:
        sslmode: what is asked of TLS; "verify-full" unless given, for "minio" "disable".
        ca: the path of a file with the certificates of the authorities that may have signed the server's, PEM; those of
            the driver unless given.
        region: the region, such as "eu-central-1".
        session_token: the token of temporary credentials.
    """

    sslmode: Literal["disable", "require", "verify-full"] | None = None
    ca: Path | None = None
    region: str | None = None
    session_token: str | None = None


def boto3(db: Credentials) -> dict[str, Any]:
    """`boto3.client("s3", ...)` and `boto3.resource("s3", ...)`. The bucket is `db.name`."""
    names = {"region": "region_name", "session_token": "aws_session_token", "ca": "verify"}
    arguments = given(aws_access_key_id=db.username, aws_secret_access_key=db.password)
    arguments |= translated(db, "boto3", names, "sslmode")
    mode = _mode(db.engine, db.options)
    if mode == "require":
        arguments["verify"] = False
    if db.host is None:
        return arguments
    scheme = "http" if mode == "disable" else "https"
    address = Address(scheme, db.host, None if db.port == port_of(scheme) else db.port)
    return {**arguments, "endpoint_url": f"{scheme}://{address.netloc}"}


def _mode(engine: str, options: Mapping[str, Any]) -> str:
    return str(options.get("sslmode") or ("disable" if engine == "minio" else "verify-full"))


class S3Parser(TlsParser):
    """Credentials for boto3: `boto3.client("s3", **db.for_driver("boto3"))`.

    The username is the access key's id, the password the secret key, and the name the bucket. Without a host it is AWS.
    A URL is `s3://id:secret@host:port/bucket`, `s3://id:secret@/bucket` for AWS, or an endpoint's `https://`.
    """

    Options = S3Options
    sockets = False
    needs_host = False

    def __init__(self, engine: str = "s3") -> None:
        schemes = dict.fromkeys((engine, "https", "http"), engine)
        super().__init__(engine, port_of(engine), schemes, drivers={"boto3": boto3})

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """As of all others, but a URL must say whether it names a bucket or a host."""
        if _BUCKET_OR_HOST.match(target.config.url or ""):
            reason = (
                "may name a bucket or a host; write s3:///bucket for one of AWS, s3://host:443/bucket for a server's"
            )
            raise target.error("url", reason)
        return super().credentials(target)

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:
        """An endpoint of S3 is where a web server is, and so is any with https."""
        if scheme == "https":
            return port_of(scheme)
        return port_of("http") if self.engine == "s3" and _mode("s3", options) == "disable" else self.default_port

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """An endpoint's own scheme says whether there is TLS."""
        modes = {"http": {"sslmode": "disable"}, "https": {"sslmode": "verify-full"}}
        return {**modes.get(scheme, {}), **query}

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """A bucket has a plain name."""
        if "/" in fields.get("name", ""):
            raise target.error("name", "must be a bucket's name alone, without a key")


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return S3Parser()
