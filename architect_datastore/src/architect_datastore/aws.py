"""The keys of AWS in an entry, as brokers and operators write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from architect_core.contract import Address, DatastoreTarget, parse_address, raising
from architect_datastore.kit.entry import word

_LOGIN = {
    "username": ("accesskeyid", "accesskey", "awsaccesskeyid", "awsaccesskey", "s3accesskey", "s3accesskeyid"),
    "password": (
        "secretaccesskey",
        "secretkey",
        "awssecretaccesskey",
        "awssecretkey",
        "s3secretkey",
        "s3secretaccesskey",
    ),
}
_OPTIONS = {
    "region": ("region", "awsregion", "regionname", "awsdefaultregion", "s3region"),
    "session_token": ("sessiontoken", "awssessiontoken"),
    "endpoint": ("endpoint", "endpointurl", "s3endpoint", "awsendpoint", "awsendpointurl", "awsendpointurls3"),
    "bucket": ("bucket", "bucketname", "s3bucket", "s3bucketname", "awsbucket", "awsbucketname"),
}


def with_aws_keys(target: DatastoreTarget, options: tuple[str, ...]) -> tuple[DatastoreTarget, dict[str, str]]:
    """Returns the target with the access key as its login, and what its other keys say of "region", "bucket" and so on.

    A user name beside an access key is another one, such as that of the console. An entry's own options win.

    Args:
        target: the datastore.
        options: what its engine has as options.
    """
    by_word = {word(key): str(value) for key, value in target.config.items() if isinstance(value, str) and value}

    def find(words: tuple[str, ...]) -> str | None:
        return next((by_word[each] for each in words if each in by_word), None)

    login = {field: value for field, words in _LOGIN.items() if (value := find(words)) is not None}
    found = {field: value for field, words in _OPTIONS.items() if (value := find(words)) is not None}
    own = {option: found[option] for option in options if option in found}
    config = target.config.model_copy(update=login)
    known = {**own, **target.options.model_dump(exclude_unset=True, exclude_none=True)}
    checked: Any = target.options.model_validate(known)
    return replace(target, config=config, options=checked), found


def endpoint_address(target: DatastoreTarget, endpoint: str) -> Address:
    """Returns the address of an endpoint, which is a URL or `host:port`; raises ConfigError if it is none."""
    address = raising(lambda reason: target.error("endpoint", reason), parse_address, endpoint.rstrip("/"))
    if address.scheme not in {"", "http", "https"} or address.path or address.username is not None:
        raise target.error("endpoint", "must be the URL of a server, such as http://localhost:9000, without a login")
    return address
