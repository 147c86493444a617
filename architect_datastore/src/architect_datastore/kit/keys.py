"""The keys of an entry by which brokers, operators and platforms write its fields and options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from architect_core.contract import DatastoreTarget, parse_port, raising
from architect_core.schema import validate
from architect_datastore.kit.tls_keys import word
from architect_datastore.kit.url import parse_host

_LOGIN = {"username": ("user",), "password": ("passwd", "pass")}
_DATABASE = {"name": ("database", "dbname", "db")}
_ENDPOINT = {"hosts": ("endpoint", "hostname")}  # of Crossplane
_SERVERS = ("url", "host", "hosts", "connection_string")


def find_keys(config: Mapping[str, Any], words: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Returns the key that an entry has for each of `words`; the first of several wins.

    >>> find_keys({"Bootstrap.Servers": "a:9092"}, {"hosts": ("bootstrapservers", "brokers")})
    {'hosts': 'Bootstrap.Servers'}

    Args:
        config: the entry.
        words: what a key means -> keys in lower case, without spaces, ".", "_" and "-".
    """
    by_word = {word(key): key for key, value in config.items() if value not in (None, "", [], {})}
    firsts = {name: next((by_word[each] for each in keys if each in by_word), None) for name, keys in words.items()}
    return {name: key for name, key in firsts.items() if key is not None}


def text_at(target: DatastoreTarget, *words: str) -> str | None:
    """Returns the value of the first of these keys that an entry has, or None; a number becomes text.

    Raises:
        ConfigError: the value is neither.
    """
    key = find_keys(target.config, {"": words}).get("")
    return None if key is None else _text(target.config[key], partial(target.error, key))


def with_names_of_drivers(
    words: Mapping[str, Iterable[str]], *, has_database: bool, needs_host: bool
) -> dict[str, Iterable[str]]:
    """Returns `words`, and the names that drivers and operators have for the login, a database and a required host.

    >>> with_names_of_drivers({"name": ("vhost",)}, has_database=True, needs_host=False)["name"]
    ('vhost', 'database', 'dbname', 'db')
    """
    further = _LOGIN | (_DATABASE if has_database else {}) | (_ENDPOINT if needs_host else {})
    return {**words, **{field: (*words.get(field, ()), *names) for field, names in further.items()}}


def with_other_keys(target: DatastoreTarget, words: Mapping[str, Iterable[str]]) -> DatastoreTarget:
    """Returns the target with the fields and options that its other keys mean; its own fields and options win.

    `hosts` is a list of hosts or of URLs, or text with commas between them.

    Raises:
        ConfigError: a value is invalid; the message has the key.
    """
    found, config = find_keys(target.config, words), target.config
    stated = target.options.model_dump(exclude_unset=True, exclude_none=True)
    known = {name for name in found if name in type(target.options).model_fields}
    options = {name: config[found[name]] for name in known - stated.keys()}
    fields: dict[str, Any] = {}
    origins = {f"options.{name}": found[name] for name in options}
    for name in found.keys() - known:
        key, own = found[name], _SERVERS if name == "hosts" else (name,)
        if any(config.get(each) is not None for each in own):
            continue
        of_key = _field(name, config[key], partial(target.error, key))
        origins |= dict.fromkeys(of_key, key)
        fields |= of_key
    target = replace(target, config=config.model_copy(update=fields)).with_keys(origins)
    if not options:
        return target
    both = {**options, **stated}
    checked: Any = validate(type(target.options), both, target.where, "options", written=target.path_of)
    return replace(target, options=checked)


def _field(name: str, value: object, error: Callable[[str], Exception]) -> dict[str, Any]:
    if name == "hosts":
        return raising(error, _servers, value)
    text = _text(value, error)
    return {name: raising(error, parse_port, text) if name == "port" else text}


def _text(value: object, error: Callable[[str], Exception]) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise error("must be text")
    return str(value)


def _servers(value: object) -> dict[str, Any]:
    """Returns the fields that a list of servers means; raises ValueError if it is none."""
    listed = [each for each in re.split(r"[,;\s]+", value) if each] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        raise ValueError("must be a list of hosts, or text with commas between them")
    if any("://" in each for each in listed):
        return {"url": ",".join(listed)}
    if len(listed) > 1:
        return {"hosts": listed}
    host, port = parse_host(listed[0])
    return {"host": host} if port is None else {"host": host, "port": port}
