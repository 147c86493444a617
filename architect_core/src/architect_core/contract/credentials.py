"""Credentials of datastores, and what a plugin parses them with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from architect_core._base.names import did_you_mean, listing
from architect_core.contract.provided import Options, Provided
from architect_core.exceptions import ConfigError, UnknownDriverError
from architect_core.schema.config import DatastoreConfig

Driver = Callable[["Credentials"], dict[str, Any]]
"""Makes the keyword arguments of one driver."""

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

    __slots__ = ("_drivers", "_fields", "engine", "url")

    def __init__(
        self,
        engine: str,
        fields: Mapping[str, Any],
        url: str | None = None,
        drivers: Mapping[str, Driver] | None = None,
    ) -> None:
        """Make credentials.

        Args:
            engine: what it is.
            fields: every attribute but `engine` and `url`.
            url: all of it as one URL.
            drivers: a driver's name, in lower case with "-" -> what makes its keyword arguments of these credentials.
                Functions of a module, so that credentials can be pickled.
        """
        self.engine = engine
        self.url = url
        self._fields = dict(fields)
        self._drivers = dict(drivers or {})

    @property
    def host(self) -> str | None:
        """The server's name, address, or socket; the first of several."""
        return self._fields.get("host")

    @property
    def port(self) -> int | None:
        """The TCP port; that of the first host."""
        return self._fields.get("port")

    @property
    def hosts(self) -> list[tuple[str, int | None]]:
        """Every `(host, port)`; one for most, none for a datastore that is not on a network."""
        several = self._fields.get("hosts")
        if several is not None:
            return [(host, port) for host, port in several]
        return [] if self.host is None else [(self.host, self.port)]

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

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine, such as `sslmode`, from the entry and from the URL; empty where there are none."""
        return dict(self._fields.get("options") or {})

    def for_driver(self, driver: str) -> dict[str, Any]:
        """What `driver` connects with, as its keyword arguments.

            connection = psycopg.connect(**db.for_driver("psycopg"))

        It is a plain dictionary with the password in it: a log or a repr of it shows the password. The driver is not
        imported. A driver's name is that of its distribution or its module: "mysqlclient", "MySQLdb".

        Raises:
            UnknownDriverError: this engine has no arguments for the driver; the message has those that it has.
            DriverError: the configuration asks for something that the driver cannot be told.
        """
        make = self._drivers.get(driver.lower().replace("_", "-")) if isinstance(driver, str) else None
        if make is None:
            raise UnknownDriverError(driver, self._drivers, self.engine)
        return make(self)

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("__") and key not in self.__slots__ and key in self._fields:
            return self._fields[key]
        known = [] if key in self.__slots__ else sorted(self._fields)
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
        drivers = (self._drivers,) if self._drivers else ()  # a subclass may have taken over the older three arguments
        return type(self), (self.engine, self._fields, self.url, *drivers)

    def __repr__(self) -> str:
        shown = [f"{key}={self._fields[key]!r}" for key in _SHOWN if key in self._fields]
        # an option of a URL is among the options: its name is part of a text that somebody may have got wrong
        hidden = [f"{key}=***" for key in self._fields if key not in _SHOWN and key not in self.options]
        return f"{type(self).__name__}({', '.join([self.engine, *shown, *hidden])})"


@dataclass(frozen=True)
class DatastoreTarget:
    """A datastore whose credentials are wanted.

    Attributes:
        name: its key in the configuration.
        engine: the engine it was found to be, which is the entry point's name: "postgres".
        config: its entry, with every key that was given.
        options: its `options`, as an instance of the parser's `Options`.
        where: what it was read from.
        path: its path in there.
    """

    name: str
    engine: str
    config: DatastoreConfig
    options: Any = field(repr=False)
    where: str
    path: str

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this datastore's entry; `reason` must repeat no value."""
        return ConfigError(self.where, [(".".join(part for part in (self.path, path) if part), reason)])


class CredentialParser(Provided):
    """Turns a datastore's entry into credentials.

    Attributes:
        Options: the schema of a datastore's `options`.
    """

    hook: ClassVar[str] = "architect_credential_parser"
    Options: ClassVar[type[BaseModel]] = Options

    @abstractmethod
    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials of `target`, with the engine's default port and a `url`.

        Called once for each datastore. Nothing is connected to; what is wrong is a `target.error(path, reason)`.
        """

    def engine_of(self, config: DatastoreConfig) -> str | None:  # noqa: ARG002 - to override
        """Returns the engine of an entry without `type`, `image` or a URL's scheme, or None if it cannot be recognised.

        Only the plugin "generic" is asked.
        """
        return None
