"""Credentials of datastores, and the parser of them that a plugin provides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import BaseModel

from architect_core._base.json_text import as_written, showable
from architect_core._base.names import did_you_mean, listing
from architect_core.contract.hooks import Options, Provided
from architect_core.exceptions import ConfigError, UnknownDriverError
from architect_core.schema.config import DatastoreConfig

Driver = Callable[["Credentials"], dict[str, Any]]
"""Returns the keyword arguments of one driver."""

_SHOWN = ("host", "port", "username", "name")


def _field(key: str) -> Any:
    return property(lambda credentials: credentials._fields.get(key))


class Credentials(Mapping[str, Any]):
    """The credentials of a datastore, as attributes and as a mapping.

    >>> db = Credentials("postgres", {"host": "db", "port": 5432, "username": "app", "password": "x", "name": "shop"})
    >>> db.host, db["port"], db.password
    ('db', 5432, 'x')
    >>> db
    Credentials(postgres, host='db', port=5432, username='app', name='shop', password=***)

    Every key of the configuration is an attribute, raw parameters such as `POSTGRES_DB` included. A repr never shows
    the password, nor a user without one, who may be a token.

    Attributes:
        engine: such as "postgres".
        url: one URL with everything, percent-encoded, password included; None for an engine that has no URLs.
        host: the server's name, address or socket; the first of several. Like the next four, None if not configured.
        port: the TCP port; that of the first host.
        username: the user name.
        password: in plain text, because drivers need it.
        name: the database.
    """

    __slots__ = ("_drivers", "_fields", "engine", "url")

    def __init__(
        self,
        engine: str,
        fields: Mapping[str, Any],
        url: str | None = None,
        drivers: Mapping[str, Driver] | None = None,
    ) -> None:
        """Make credentials whose attributes, besides `engine` and `url`, are `fields`.

        `drivers` maps a driver's name, in lower case with "-", to the function that returns its keyword arguments,
        which is one of a module, so that credentials can be pickled.
        """
        self.engine = engine
        self.url = url
        self._fields = dict(fields)
        self._drivers = dict(drivers or {})

    host: str | None = _field("host")
    port: int | None = _field("port")
    username: str | None = _field("username")
    password: str | None = _field("password")
    name: str | None = _field("name")

    @property
    def hosts(self) -> list[tuple[str, int | None]]:
        """Every `(host, port)`; empty for a datastore that is not on a network."""
        several = self._fields.get("hosts")
        if several is not None:
            return [(host, port) for host, port in several]
        return [] if self.host is None else [(self.host, self.port)]

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine, such as `sslmode`, from the entry and its URL."""
        return dict(self._fields.get("options") or {})

    def for_driver(self, driver: str) -> dict[str, Any]:
        """The keyword arguments that `driver` connects with.

            connection = psycopg.connect(**db.for_driver("psycopg"))

        They hold the password in plain text. The driver is not imported; it is named by its distribution or its module:
        "mysqlclient", "MySQLdb".

        Raises:
            UnknownDriverError: the engine has no arguments for the driver; the message lists the known ones.
            DriverError: the configuration asks for something that the driver does not support.
        """
        make = self._drivers.get(driver.lower().replace("_", "-")) if isinstance(driver, str) else None
        if make is None:
            raise UnknownDriverError(driver, self._drivers, self.engine)
        return make(self)

    def copy(self) -> dict[str, Any]:
        """Returns a dictionary of the fields, password included, as `datastore()` of architect.sdk 0.2.1 was one."""
        return dict(self._fields)

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("__") and key not in self.__slots__ and key in self._fields:
            return self._fields[key]
        known = [] if key in self.__slots__ else sorted(self._fields)
        # the name of an option may be a part of a malformed URL
        listed = [each for each in known if each not in self.options and showable(each) == each]
        raise AttributeError(f"these credentials have no {key!r}{did_you_mean(key, known)}; {listing(listed)}")

    def __getitem__(self, key: str) -> Any:
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
        drivers = (self._drivers,) if self._drivers else ()  # the constructor of a subclass may have no `drivers`
        return type(self), (self.engine, self._fields, self.url, *drivers)

    def __repr__(self) -> str:
        # what stands before an "@" may be the password of a URL that was put there, a user without a password a token
        public = [key for key in _SHOWN if key in self._fields and "@" not in str(self._fields[key])]
        if self.password is None and "username" in public:
            public.remove("username")
        shown = [f"{key}={self._fields[key]!r}" for key in public]
        # the name of an option, and what does not look like a name, may be a part of a secret
        hidden = [f"{showable(key)}=***" for key in self._fields if key not in public and key not in self.options]
        return f"{type(self).__name__}({', '.join([self.engine, *shown, *hidden])})"


@dataclass(frozen=True)
class DatastoreTarget:
    """A datastore to parse the credentials of.

    Attributes:
        engine: the entry point's name: "postgres".
        config: its entry, unknown keys included.
        options: its `options`, as an instance of the parser's `Options`.
        where: where the entry was read from, for error messages; `path` is its path there.
        keys: a field, or "options." and an option -> the key that it was read from, if that has another name. The
            variable X_HOST is `host`, for instance, and an option may be a part of `url`: "url.ssl_ca_certs".
    """

    name: str
    engine: str
    config: DatastoreConfig
    options: Any = field(repr=False)
    where: str
    path: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this datastore's entry; `reason` must repeat no value.

        The message has the key that the field was read from.
        """
        return ConfigError(self.where, [(self.path_of(path), reason)])

    def path_of(self, path: str) -> str:
        """The path, in what was read, of the key that the field at `path` was read from."""
        return ".".join(filter(None, (self.path, as_written(path, self.keys))))

    def with_keys(self, keys: Mapping[str, str]) -> DatastoreTarget:
        """Returns the target for errors about fields that a plugin has read from other ones of the entry.

        target.with_keys({"host": "url"}).error("host", "is missing")  # the message is about `url`
        """
        found = {path: as_written(key, self.keys) for path, key in keys.items() if path != key}
        return replace(self, keys={**self.keys, **found}) if found else self


class CredentialParser(Provided):
    """Turns a datastore's entry into credentials.

    Attributes:
        Options: the schema of the entry's `options`.
        schemes: the schemes of URLs that it reads. A platform's name for an engine, such as "cockroachdb", wins over
            the scheme of a URL that this engine reads as well, such as "postgresql".
    """

    hook: ClassVar[str] = "architect_credential_parser"
    Options: ClassVar[type[BaseModel]] = Options
    schemes: Collection[str] = ()

    @abstractmethod
    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials of `target`, with the engine's default port and a `url`.

        Called once for each datastore. It connects to nothing; a mistake is a `target.error(path, reason)`.
        """

    def engine_of(self, config: DatastoreConfig) -> str | None:  # noqa: ARG002 - to override
        """Of the plugin "generic": returns the engine of an entry that does not state it, or None if not recognised."""
        return None
