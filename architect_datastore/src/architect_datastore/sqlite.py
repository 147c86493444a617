"""SQLite, whose database is a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import BaseModel, Field

from architect_core.contract import (
    CredentialParser,
    Credentials,
    DatastoreProvisioner,
    DatastoreTarget,
    Driver,
    Options,
    Provisioned,
    decoded,
    hookimpl,
    raising,
    scheme_of,
)
from architect_core.exceptions import DriverError, RunError
from architect_core.schema import validate
from architect_datastore.arguments import django_settings
from architect_datastore.arguments import given as given_values
from architect_datastore.kit.entry import check_text, text_of
from architect_datastore.provisioning import wanted_text

ARCHITECT_CONTRACT = 2

MEMORY = ":memory:"


class SqliteOptions(Options):
    """Options of an SQLite datastore: those of `sqlite3.connect`.

    Attributes:
        timeout: seconds to wait for a table that another connection has locked.
        isolation_level: when transactions start: "DEFERRED", "IMMEDIATE" or "EXCLUSIVE".
        detect_types: how types of Python are found: the sum of `sqlite3.PARSE_DECLTYPES` and `PARSE_COLNAMES`.
        cached_statements: the number of statements that are kept prepared.
        check_same_thread: whether only the thread that made the connection may use it.
    """

    timeout: float | None = Field(default=None, ge=0)
    isolation_level: str | None = None
    detect_types: int | None = Field(default=None, ge=0)
    cached_statements: int | None = Field(default=None, ge=0)
    check_same_thread: bool | None = None


def connect(db: Credentials) -> dict[str, Any]:
    """`sqlite3.connect` and `aiosqlite.connect`."""
    return {"database": db.name, **({"uri": True} if _is_uri(db.name) else {}), **db.options}


def _is_uri(name: str | None) -> bool:
    """Whether a name is a URI of SQLite (https://www.sqlite.org/uri.html)."""
    return (name or "").startswith("file:")


def sqlalchemy(db: Credentials, driver: str = "pysqlite") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, which decodes the path in a URL since 2.1, and does not before."""
    name = db.name or MEMORY
    options = {"connect_args": db.options} if db.options else {}
    if name == MEMORY:
        return {"url": f"sqlite+{driver}://", **options}
    if not any(character in name for character in "%?"):
        return {"url": f"sqlite+{driver}:///{name}", **options}
    if _is_uri(name):
        return {"url": _sqlalchemy_url(driver, name), **options}
    if driver != "pysqlite":
        raise DriverError(f"sqlalchemy+{driver} cannot open a file whose name has '%' or '?'; use another driver")
    arguments = {"check_same_thread": False, **db.options}
    return {"url": "sqlite:///" + quote(name), "creator": partial(sqlite3.connect, name, **arguments)}


def _sqlalchemy_url(driver: str, name: str) -> str:
    path, _, query = name.partition("?")
    return f"sqlite+{driver}:///{path}?{query}{'&' if query else ''}uri=true"


def django(db: Credentials, backend: str = "django.db.backends.sqlite3") -> dict[str, Any]:
    """An entry of Django's `DATABASES`."""
    db, settings = django_settings(db)
    options = {"OPTIONS": db.options} if db.options else {}
    return {"ENGINE": backend, "NAME": db.name, **options, **settings}


DRIVERS: dict[str, Driver] = {
    "sqlite3": connect,
    "aiosqlite": connect,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy+pysqlite": sqlalchemy,
    "sqlalchemy+aiosqlite": partial(sqlalchemy, driver="aiosqlite"),
    "django": django,
}


SPATIAL: dict[str, Driver] = {**DRIVERS, "django": partial(django, backend="django.contrib.gis.db.backends.spatialite")}


class SqliteParser(CredentialParser):
    """Credentials for `sqlite3.connect(**db.for_driver("sqlite3"))`, aiosqlite, SQLAlchemy and Django.

    The name is the file's path, relative to the working directory unless it starts with "/", ":memory:", or a URI of
    SQLite such as "file:shop.db?mode=ro". A URL has
    the form "sqlite:///relative.db", "sqlite:////absolute.db", and "sqlite://" for memory, percent-encoded. A
    connection string is that of Microsoft.Data.Sqlite: "Data Source=shop.db".
    """

    Options = SqliteOptions

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; `host`, `port`, `username` and `password` are None unless they are given."""
        given = {key: value for key, value in target.config.items() if value is not None}
        source, url, entry, keys = text_of(given, target)
        if source == "connection_string" and entry.keys() != {"name"}:
            raise target.error(source, "must have the form Data Source=path")
        path, query = (None, {}) if url is None else _path(url, target)
        fields = {**given_values(name=path), **entry, **given}
        if "name" not in given:
            target = target.with_keys({"name": "url"} if url is not None else keys)
        if not fields.get("name"):
            raise target.error("name", "is missing: the path of the database's file, or :memory:")
        check_text(fields, target)
        written = target.with_keys({f"options.{option}": f"url.{option}" for option in query}).path_of
        of_url = validate(SqliteOptions, query, target.where, "options", written=written)
        options = {**_stated(of_url), **_stated(target.options)}
        drivers = SPATIAL if "spatialite" in {target.engine, scheme_of(url or "")} else DRIVERS
        url = "sqlite://" if fields["name"] == MEMORY else "sqlite:///" + quote(fields["name"])
        url += f"?{urlencode(options)}" if options else ""
        return Credentials("sqlite", {**fields, **({"options": options} if options else {}), "url": url}, url, drivers)


def _stated(options: BaseModel) -> dict[str, Any]:
    return options.model_dump(exclude_unset=True, exclude_none=True)


def _path(url: str, target: DatastoreTarget) -> tuple[str, dict[str, str]]:
    """Returns the name and the options of a URL."""
    scheme, _, rest = url.partition(":")
    scheme, plus, driver = scheme.lower().replace("spatialite", "sqlite").partition("+")
    if plus and driver not in {"pysqlite", "aiosqlite"}:  # pysqlcipher's files are encrypted
        raise target.error("url", "has a scheme with a '+' and no driver of sqlite; known: pysqlite, aiosqlite")
    location, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = {key: value for key, value in pairs if key in SqliteOptions.model_fields}
    others = [pair for pair in pairs if pair[0] not in options]
    is_uri = location.startswith("///file:") and ("uri", "true") in others  # as SQLAlchemy writes it
    if scheme != "sqlite" or "#" in rest or (others and not is_uri):
        raise target.error("url", "must have the form sqlite:///path, with '?' and '#' percent-encoded")
    if location in {"//", "///", "///:memory:", "//:memory:"}:  # the last is of Django
        return MEMORY, options
    if not location.startswith("///"):
        raise target.error("url", "must have the form sqlite:///path")
    path = location.removeprefix("///")
    if is_uri:
        kept = urlencode([pair for pair in others if pair != ("uri", "true")], safe="/:")
        return (f"{path}?{kept}" if kept else path), options
    return raising(partial(target.error, "url"), decoded, path), options


class SqliteProvisioner(DatastoreProvisioner):
    """Creates an empty database, which is a file; no server runs."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:  # noqa: ARG002 - no server
        """Creates "data.db" in `folder`, or the wanted name; ":memory:" needs no file.

        Raises:
            RunError: the wanted name is not a plain file name, or the file cannot be created.
        """
        return _create(wanted, folder, exist_ok=False)

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned | None:  # noqa: ARG002 - as above
        """The same, with the file of an earlier call if there is one; None for ":memory:". Raises RunError likewise."""
        return None if wanted.get("name") == MEMORY else _create(wanted, folder, exist_ok=True)


def _create(wanted: Mapping[str, str], folder: Path, *, exist_ok: bool) -> Provisioned:
    name = wanted_text(wanted, "name", "data.db", "SQLite")
    if name == MEMORY:
        return Provisioned({"type": "sqlite", "name": MEMORY})
    if "/" in name or name in {".", ".."}:
        raise RunError("the name for SQLite must be a file's name without a folder, such as data.db")
    path = folder / name
    try:
        path.touch(mode=0o600, exist_ok=exist_ok)
    except OSError as problem:
        raise RunError(f"the SQLite database cannot be created in {folder}: {problem.strerror}") from None
    return Provisioned({"type": "sqlite", "name": str(path)})


@hookimpl
def architect_credential_parser() -> CredentialParser:
    return SqliteParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    return SqliteProvisioner()
