"""What `sqlalchemy.create_engine` takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from architect_datastore.kit.url import build_url

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = ("host", "port", "username", "password", "name")
# what follows the user information means the same to SQLAlchemy 2.0, which does not decode it, and to 2.1, which does
_PLAIN = {
    "host": re.compile(r"[\w.-]+|[0-9a-f.:]+", re.ASCII | re.IGNORECASE),
    "name": re.compile(r"[\w.~-]+", re.ASCII),
}
_NEEDS = {"port": "host", "password": "username"}


def engine_arguments(dialect: str, arguments: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A URL, and as `connect_args` whatever of the driver's arguments a URL cannot say.

    >>> engine_arguments("mysql+pymysql", {"host": "h", "unix_socket": "/s", "passwd": b"p"}, ("host", "port"))
    {'url': 'mysql+pymysql://h', 'connect_args': {'unix_socket': '/s', 'passwd': b'p'}}

    Args:
        dialect: what the URL starts with.
        arguments: those of the driver.
        names: what the driver calls host, port, username, password and name.
    """
    rest = dict(arguments)
    fields: dict[str, Any] = {}
    for field, name in zip(FIELDS, names, strict=False):
        value = rest.get(name)
        plain = isinstance(value, str | int) and (field not in _PLAIN or _PLAIN[field].fullmatch(str(value)))
        if plain and _NEEDS.get(field, field) in {field, *fields}:
            fields[field] = rest.pop(name)
    url = build_url(dialect, fields, {})
    return {"url": url if "name" in fields else url.removesuffix("/"), **({"connect_args": rest} if rest else {})}
