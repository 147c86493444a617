"""The keys of AWS in an entry, as brokers and operators write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from architect_core.contract import Address, DatastoreTarget, parse_address, raising
from architect_core.schema import validate
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
    texts = {key: value for key, value in target.config.items() if isinstance(value, str) and value}
    by_word = {word(key): key for key in texts}

    def find(meanings: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
        found = {field: [by_word[each] for each in words if each in by_word] for field, words in meanings.items()}
        return {field: keys[0] for field, keys in found.items() if keys}

    login, others = find(_LOGIN), find(_OPTIONS)
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
