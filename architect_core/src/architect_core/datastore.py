"""The credentials of a datastore, for any driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from architect_core.names import did_you_mean, listing

_SHOWN = ("host", "port", "username", "name")


class Credentials(Mapping[str, Any]):
    """How to get into a datastore, as attributes and as a mapping.

    >>> db = Credentials("postgres", {"host": "db", "port": 5432, "username": "app", "password": "x", "name": "shop"})
    >>> db.host, db["port"], db.password
    ('db', 5432, 'x')
    >>> db
    Credentials(postgres, host='db', port=5432, username='app', name='shop', password=***)

    Every key of the configuration is an attribute, the raw parameters such as `POSTGRES_DB` included. `host`, `port`,
    `username`, `password` and `name` always are, and None where the configuration has none. A password is a plain
    text, because drivers need it; a repr shows none of it.

    Attributes:
        engine: what it is, such as "postgres".
        url: all of it as one URL, percent-encoded, with the password in it; None for an engine that has no URLs.
    """

    __slots__ = ("_fields", "engine", "url")

    def __init__(self, engine: str, fields: Mapping[str, Any], url: str | None = None) -> None:
        self.engine = engine
        self.url = url
        self._fields = dict(fields)

    @property
    def host(self) -> str | None:
        """The server's name, address, or socket folder."""
        return self._fields.get("host")

    @property
    def port(self) -> int | None:
        """The TCP port."""
        return self._fields.get("port")

    @property
    def username(self) -> str | None:
        """Who logs in."""
        return self._fields.get("username")

    @property
    def password(self) -> str | None:
        """The password, in plain."""
        return self._fields.get("password")

    @property
    def name(self) -> str | None:
        """Which database."""
        return self._fields.get("name")

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("__") and key != "_fields" and key in self._fields:
            return self._fields[key]
        known = [] if key == "_fields" else sorted(self._fields)
        raise AttributeError(f"these credentials have no {key!r}{did_you_mean(key, known)}; {listing(known)}")

    def __getitem__(self, key: str) -> Any:
        """The value under `key`; KeyError where there is none."""
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(key for key in self._fields if key.isidentifier())})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.engine, self._fields, self.url)

    def __repr__(self) -> str:
        shown = [f"{key}={self._fields[key]!r}" for key in _SHOWN if key in self._fields]
        hidden = [f"{key}=***" for key in self._fields if key not in _SHOWN]
        return f"{type(self).__name__}({', '.join([self.engine, *shown, *hidden])})"
