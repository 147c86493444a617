"""Amazon S3 and the servers that speak its protocol (https://docs.aws.amazon.com/AmazonS3/latest/API/)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from architect_core.contract import Address, Credentials, DatastoreTarget, Options
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, translated
from architect_datastore.aws import CLIENTS, endpoint_address, with_aws_keys
from architect_datastore.options import Path
from architect_datastore.tls import TlsParser

_BUCKET_OR_HOST = re.compile(r"\s*s3://[^/?#@:]+([/?#]|\Z)", re.IGNORECASE)


class S3Options(Options):
    """Options of an S3 datastore.

    Attributes:
        sslmode: the TLS mode; "verify-full" by default, for "minio" "disable".
        ca: the path of a PEM file with the certificates of the authorities that may have signed the server's; those of
            the driver by default.
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

    The username is the access key's id, the password the secret key, the name the bucket; the default host is AWS. A
    URL is `s3://id:secret@host:port/bucket`, `s3://id:secret@/bucket` for AWS, or an endpoint's `https://`.
    """

    Options = S3Options
    sockets = False
    needs_host = False

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; a URL must make clear whether a bucket or a host follows "s3://"."""
        if _BUCKET_OR_HOST.match(target.config.url or ""):
            reason = (
                "may name a bucket or a host; write s3:///bucket for one of AWS, s3://host:443/bucket for a server's"
            )
            raise target.error("url", reason)
        target, keys = with_aws_keys(target, ("region", "session_token"))
        fields: dict[str, Any] = {}
        if "bucket" in keys and target.config.url is None:
            fields["name"] = keys["bucket"]
            target = target.with_keys({"name": "bucket"})
        if "endpoint" in keys and target.config.url is None:
            address = endpoint_address(target, keys["endpoint"])
            target = target.with_keys({"host": "endpoint"})
            fields |= given(host=address.host, port=address.port or target.config.port)
            if address.scheme:
                mode = {"http": "disable", "https": "verify-full"}[address.scheme]
                fields |= {"sslmode": target.config.get("sslmode") or mode}
                fields.setdefault("port", port_of(address.scheme))
        return super().credentials(replace(target, config=target.config.model_copy(update=fields)))

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:
        """Returns the port of HTTP or HTTPS for S3, and for any endpoint with https."""
        if scheme == "https":
            return port_of(scheme)
        return port_of("http") if self.engine == "s3" and _mode("s3", options) == "disable" else self.default_port

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads from the scheme of an endpoint that there is no TLS."""
        return super().read_options(scheme, {"sslmode": "disable", **query} if scheme == "http" else query)

    def is_secure(self, scheme: str) -> bool:
        """Returns whether a scheme is that of an endpoint with TLS."""
        return scheme == "https"

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the name is no bucket's."""
        if "/" in fields.get("name", ""):
            raise target.error("name", "the bucket must be a name alone, without a key")


def s3_parser(engine: str) -> S3Parser:
    """Returns the parser of "s3" or "minio"."""
    schemes = dict.fromkeys((engine, "https", "http"), engine)
    return S3Parser(engine, port_of(engine), schemes, drivers=dict.fromkeys(CLIENTS, boto3))


PARSER = s3_parser("s3")
