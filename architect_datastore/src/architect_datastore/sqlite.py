"""SQLite, whose database is a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from architect_core.contract import (
    CredentialParser,
    Credentials,
    DatastoreProvisioner,
    DatastoreTarget,
    Driver,
    Provisioned,
    decoded,
    hookimpl,
    raising,
)
from architect_core.exceptions import DriverError, RunError
from architect_datastore.kit.entry import check_text, text_of
from architect_datastore.provisioning import wanted_text

ARCHITECT_CONTRACT = 2

MEMORY = ":memory:"


def connect(db: Credentials) -> dict[str, Any]:
    """`sqlite3.connect` and `aiosqlite.connect`."""
    return {"database": db.name, **({"uri": True} if _is_uri(db.name) else {})}


def _is_uri(name: str | None) -> bool:
    """Whether a name is a URI of SQLite (https://www.sqlite.org/uri.html)."""
    return (name or "").startswith("file:")


def sqlalchemy(db: Credentials, driver: str = "pysqlite") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, which decodes the path in a URL since 2.1, and does not before."""
    name = db.name or MEMORY
    if name == MEMORY:
        return {"url": f"sqlite+{driver}://"}
    if not any(character in name for character in "%?"):
        return {"url": f"sqlite+{driver}:///{name}"}
    if _is_uri(name):
        return {"url": _sqlalchemy_url(driver, name)}
    if driver != "pysqlite":
        raise DriverError(f"sqlalchemy+{driver} cannot open a file whose name has '%' or '?'; use another driver")
    return {"url": db.url, "creator": partial(sqlite3.connect, name, check_same_thread=False)}


def _sqlalchemy_url(driver: str, name: str) -> str:
    path, _, query = name.partition("?")
    return f"sqlite+{driver}:///{path}?{query}{'&' if query else ''}uri=true"


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `DATABASES`."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": db.name}


DRIVERS: dict[str, Driver] = {
    "sqlite3": connect,
    "aiosqlite": connect,
    "sqlalchemy": sqlalchemy,
    "sqlalchemy+pysqlite": sqlalchemy,
    "sqlalchemy+aiosqlite": partial(sqlalchemy, driver="aiosqlite"),
    "django": django,
}


class SqliteParser(CredentialParser):
    """Credentials for `sqlite3.connect(**db.for_driver("sqlite3"))`, aiosqlite, SQLAlchemy and Django.

    The name is the file's path, relative to the working directory unless it starts with "/", ":memory:", or a URI of
    SQLite such as "file:shop.db?mode=ro". A URL has
    the form "sqlite:///relative.db", "sqlite:////absolute.db", and "sqlite://" for memory, percent-encoded. A
    connection string is that of Microsoft.Data.Sqlite: "Data Source=shop.db".
    """

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; `host`, `port`, `username` and `password` are None unless they are given."""
        given = {key: value for key, value in target.config.items() if value is not None}
        source, url, entry, keys = text_of(given, target)
        if source == "connection_string" and entry.keys() != {"name"}:
            raise target.error(source, "must have the form Data Source=path")
        fields = {**({} if url is None else {"name": _path(url, target)}), **entry, **given}
        if "name" not in given:
            target = target.with_keys({"name": "url"} if url is not None else keys)
        if not fields.get("name"):
            raise target.error("name", "is missing: the path of the database's file, or :memory:")
        check_text(fields, target)
        url = "sqlite://" if fields["name"] == MEMORY else "sqlite:///" + quote(fields["name"])
        return Credentials("sqlite", {**fields, "url": url}, url, DRIVERS)


def _path(url: str, target: DatastoreTarget) -> str:
    scheme, _, rest = url.partition(":")
    scheme, plus, driver = scheme.lower().partition("+")
    if plus and driver not in {"pysqlite", "aiosqlite"}:  # pysqlcipher's files are encrypted
        raise target.error("url", "has a scheme with a '+' and no driver of sqlite; known: pysqlite, aiosqlite")
    if scheme == "sqlite" and rest in {"//", "///", "///:memory:", "//:memory:"}:  # the last is of Django
        return MEMORY
    path, _, query = rest.removeprefix("///").partition("?")
    if scheme == "sqlite" and rest.startswith("///file:") and "uri=true" in query.split("&"):  # as SQLAlchemy writes it
        kept = "&".join(pair for pair in query.split("&") if pair != "uri=true")
        return f"{path}?{kept}" if kept else path
    if scheme != "sqlite" or not rest.startswith("///") or "?" in rest or "#" in rest:
        raise target.error("url", "must have the form sqlite:///path, with '?' and '#' percent-encoded")
    return raising(partial(target.error, "url"), decoded, rest.removeprefix("///"))


class SqliteProvisioner(DatastoreProvisioner):
    """Creates an empty database, which is a file; no server runs."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:  # noqa: ARG002 - no server
        """Creates "data.db" in `folder`, or the wanted name; ":memory:" needs no file.

        Raises:
            RunError: the wanted name is not a plain file name, or the file cannot be created.
        """
        return _create(wanted, folder, exist_ok=False)

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:  # noqa: ARG002 - as above
        """The same, with the file of an earlier call if there is one; raises RunError likewise."""
        return _create(wanted, folder, exist_ok=True)


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
