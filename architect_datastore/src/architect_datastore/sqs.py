"""Amazon SQS and SNS, and the servers that speak their protocols."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from architect_core.contract import Credentials, DatastoreTarget, Options, parse_address
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, translated
from architect_datastore.aws import with_aws_keys
from architect_datastore.options import Path
from architect_datastore.tls import TlsParser

_REGION = re.compile(r"[a-z0-9-]+")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)


def _endpoint(value: str) -> str:
    address = parse_address(value)
    if address.scheme not in {"http", "https"} or address.path:
        raise ValueError("must be the URL of a server, such as http://localhost:4566")
    if address.username is not None:
        raise ValueError("must have no login; the access key is the `username`, the secret key the `password`")
    return f"{address.scheme}://{address.netloc}"


class SqsOptions(Options):
    """Options of an SQS datastore.

    Attributes:
        endpoint: the URL of a server other than AWS, such as "http://localhost:4566", or of an interface endpoint.
        session_token: the token of temporary credentials.
        sslmode: the TLS mode; "verify-full" by default. An endpoint with http has no TLS.
        ca: the path of a PEM file with the certificates of the authorities that may have signed the server's; those of
            the driver by default.
    """

    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    session_token: str | None = None
    sslmode: Literal["require", "verify-full"] | None = None
    ca: Path | None = None


def boto3(db: Credentials) -> dict[str, Any]:
    """`boto3.client("sqs", ...)` and `boto3.client("sns", ...)`."""
    names = {"endpoint": "endpoint_url", "session_token": "aws_session_token", "ca": "verify"}
    arguments = given(aws_access_key_id=db.username, aws_secret_access_key=db.password, region_name=db.host)
    arguments |= translated(db, "boto3", names, "sslmode")
    if db.options.get("sslmode") == "require":
        arguments["verify"] = False
    if db.port not in {None, port_of("sqs")} and "endpoint_url" not in arguments:
        raise DriverError(
            "boto3 connects to the port 443 of a region; for another server, give its URL as the option 'endpoint'"
        )
    return arguments


class SqsParser(TlsParser):
    """Credentials for boto3: `boto3.client("sqs", **db.for_driver("boto3"))`.

    The host is the region, the username the access key's id, the password the secret key; without them boto3 finds its
    own: in the environment, in AWS' files, or those of the machine's role. The name is a prefix for the names of queues
    and topics, for applications that have one. A URL is `sqs://region`, or `sqs://id:secret@region/prefix`.
    """

    Options = SqsOptions
    sockets = False
    needs_host = False
    option_names: ClassVar = {"endpoint": "endpoint", "endpoint_url": "endpoint"}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; a region may be the key `region`, and the login the keys of AWS."""
        target, keys = with_aws_keys(target, ("endpoint", "session_token"))
        if target.config.host is None and target.config.url is None and "region" in keys:
            config = target.config.model_copy(update={"host": keys["region"]})
            target = replace(target, config=config).with_keys({"host": "region"})
        return super().credentials(target)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the host is no region, or the name no prefix of a queue's."""
        if not _REGION.fullmatch(fields.get("host", "region")):
            reason = (
                "the host must be a region, such as eu-central-1; the URL of another server is the option `endpoint`"
            )
            raise target.error("host", reason)
        if not _PREFIX.fullmatch(fields.get("name", "prefix")):
            raise target.error("name", "the prefix must have at most 20 letters, digits, '-' and '_'")

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """Raises `target.error` if options of TLS are for an endpoint without it."""
        options = super().combine_options(options, target)
        if options.get("endpoint", "").startswith("http:") and "sslmode" in options:
            raise target.error("options.endpoint", "has http, so that options of TLS have no meaning; write https")
        return options

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes the options by their own names."""
        return scheme, dict(options)


PARSER = SqsParser("sqs", port_of("sqs"), schemes={"sqs": "sqs"}, drivers={"boto3": boto3})
