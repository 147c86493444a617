"""What datastores of AWS have in common: the keys of an entry, and regions with an endpoint instead of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator

from architect_core.contract import Address, Credentials, DatastoreTarget, Options, parse_address, raising
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_core.schema import validate
from architect_datastore.arguments import given, translated
from architect_datastore.kit.keys import find_keys
from architect_datastore.kit.url import build_url, parse_url
from architect_datastore.options import Path
from architect_datastore.tls import TlsParser

_LOGIN = {
    "username": ("accesskeyid", "accesskey", "awsaccesskeyid", "awsaccesskey", "s3accesskey", "s3accesskeyid"),
    "password": (
        "secretaccesskey",
        "secretkey",
        "awssecretaccesskey",
        "awssecretkey",
        "s3secretkey",
        "s3secretaccesskey",
        "sharedsecret",
    ),
}
_OPTIONS = {
    "region": ("region", "awsregion", "regionname", "awsdefaultregion", "s3region"),
    "session_token": ("sessiontoken", "awssessiontoken"),
    "endpoint": (
        "endpoint", "endpointurl", "s3endpoint", "accesshost", "awsendpoint", "awsendpointurl", "awsendpointurls3",
        "awsendpointurldynamodb", "awsendpointurlsqs",
    ),
    "bucket": ("bucket", "bucketname", "s3bucket", "s3bucketname", "awsbucket", "awsbucketname"),
    "table": ("table", "tablename", "awsdynamodbtable"),
}  # fmt: skip
_REGION = re.compile(r"[a-z0-9-]+")
_OF_AWS = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?(?::\d+)?$")


def with_aws_keys(target: DatastoreTarget, options: tuple[str, ...]) -> tuple[DatastoreTarget, dict[str, str]]:
    """Returns the target with the access key as its login, and what its other keys say of "region", "bucket" and so on.

    A user name beside an access key is another one, such as that of the console. An entry's own options win.

    Args:
        target: the datastore.
        options: what its engine has as options.
    """
    texts = {key: value for key, value in target.config.items() if isinstance(value, str) and value}
    login, others = find_keys(texts, _LOGIN), find_keys(texts, _OPTIONS)
    config = target.config.model_copy(update={field: texts[key] for field, key in login.items()})
    found = {option: texts[key] for option, key in others.items()}
    stated = target.options.model_dump(exclude_unset=True, exclude_none=True)
    own = {option: found[option] for option in options if option in found and option not in stated}
    target = target.with_keys({**login, **others, **{f"options.{option}": others[option] for option in own}})
    known = {**own, **stated}
    checked: Any = validate(type(target.options), known, target.where, "options", written=target.path_of)
    return replace(target, config=config, options=checked), found


def endpoint_address(target: DatastoreTarget, endpoint: str) -> Address:
    """Returns the address of an endpoint, which is a URL or `host:port`; raises ConfigError if it is none."""
    address = raising(lambda reason: target.error("endpoint", reason), parse_address, endpoint.rstrip("/"))
    if address.scheme not in {"", "http", "https"} or address.path or address.username is not None:
        raise target.error("endpoint", "must be the URL of a server, such as http://localhost:9000, without a login")
    return address


def _endpoint(value: str) -> str:
    address = parse_address(value)
    if address.scheme not in {"http", "https"} or address.path:
        raise ValueError("must be the URL of a server, such as http://localhost:4566")
    if address.username is not None:
        raise ValueError("must have no login; the access key is the `username`, the secret key the `password`")
    return f"{address.scheme}://{address.netloc}"


class RegionOptions(Options):
    """Options of a datastore in a region of AWS.

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


def region_client(db: Credentials) -> dict[str, Any]:
    """`boto3.client(service, ...)` and `boto3.resource`, and those of aioboto3 and aiobotocore."""
    names = {"endpoint": "endpoint_url", "session_token": "aws_session_token", "ca": "verify"}
    arguments = given(aws_access_key_id=db.username, aws_secret_access_key=db.password, region_name=db.host)
    arguments |= translated(db, "boto3", names, "sslmode")
    if db.options.get("sslmode") == "require":
        arguments["verify"] = False
    if db.port not in {None, port_of("https")} and "endpoint_url" not in arguments:
        raise DriverError(
            "boto3 connects to the port 443 of a region; for another server, give its URL as the option 'endpoint'"
        )
    return arguments


CLIENTS = ("boto3", "aioboto3", "aiobotocore")
"""The drivers of AWS, whose arguments are the same."""


class RegionParser(TlsParser):
    """Credentials for boto3, whose host is a region; without a login, boto3 finds its own.

    A URL is `sqs://region` or `sqs://id:secret@region/name`, or an endpoint's `http://` or `https://`.
    """

    Options = RegionOptions
    sockets = False
    needs_host = False
    option_names: ClassVar = {"endpoint": "endpoint", "endpoint_url": "endpoint"}

    keys_of_aws: ClassVar[Mapping[str, str]] = {"host": "region"}
    """A field -> what `with_aws_keys` calls it."""

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; the region may be in a key or an endpoint, and the login in the keys of AWS."""
        target, keys = with_aws_keys(target, ("endpoint", "session_token"))
        target = self._with_endpoint(target)
        if region := _OF_AWS.search(target.options.endpoint or ""):
            keys = {"region": region[1], **keys}
        own = {
            field: key for field, key in self.keys_of_aws.items() if key in keys and target.config.get(field) is None
        }
        if target.config.url is None and own:
            config = target.config.model_copy(update={field: keys[key] for field, key in own.items()})
            target = replace(target, config=config).with_keys(own)
        return super().credentials(target)

    def _with_endpoint(self, target: DatastoreTarget) -> DatastoreTarget:
        """Returns the target with the URL of an endpoint as the option, and its login as fields."""
        url = target.config.url
        if url is None or not re.match(r"https?://", url, re.IGNORECASE):
            return target
        parsed = raising(lambda reason: target.error("url", reason), parse_url, url)
        fields = parsed.fields
        if "name" in fields or parsed.options or "hosts" in fields or "host" not in fields:
            raise target.error("url", "must be the URL of a server alone, such as http://localhost:4566")
        address = given(host=fields["host"], port=fields.get("port"))
        login: dict[str, Any] = {key: fields[key] for key in ("username", "password") if key in fields}
        endpoint = build_url(parsed.scheme, address, {}).removesuffix("/")
        config = target.config.model_copy(update=login | {"url": None})
        options = target.options.model_copy(update={"endpoint": endpoint})
        return replace(target, config=config, options=options).with_keys({"options.endpoint": "url"})

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the host is no region."""
        if not _REGION.fullmatch(fields.get("host", "region")):
            reason = (
                "the host must be a region, such as eu-central-1; the URL of another server is the option `endpoint`"
            )
            raise target.error("host", reason)

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """Raises `target.error` if options of TLS are for an endpoint without it."""
        options = super().combine_options(options, target)
        if options.get("endpoint", "").startswith("http:") and "sslmode" in options:
            raise target.error("options.endpoint", "has http, so that options of TLS have no meaning; write https")
        return options

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes the options by their own names."""
        return scheme, dict(options)
