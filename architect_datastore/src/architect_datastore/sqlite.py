"""SQLite, whose database is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from architect_core.contract import CredentialParser, Credentials, hookimpl
from architect_datastore.kit.connection_string import read_connection_string
from architect_datastore.sqlite_drivers import DRIVERS, MEMORY

if TYPE_CHECKING:
    from architect_core.contract import DatastoreProvisioner, DatastoreTarget

ARCHITECT_CONTRACT = 1


class SqliteParser(CredentialParser):
    """Credentials for `sqlite3.connect(**db.for_driver("sqlite3"))`, aiosqlite, SQLAlchemy and Django.

    The name is the file's path, relative to the working directory unless it starts with "/", or ":memory:". A URL has
    the form "sqlite:///relative.db", "sqlite:////absolute.db", and "sqlite://" for memory, percent-encoded. A
    connection string is that of Microsoft.Data.Sqlite: "Data Source=shop.db".
    """

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials; `host`, `port`, `username` and `password` are None unless they were given."""
        fields = {key: value for key, value in target.config.items() if value is not None}
        url, text = fields.pop("url", None), fields.pop("connection_string", None)
        if url is not None and text is not None:
            raise target.error("connection_string", "is there beside `url`; give one of them")
        if text is not None:
            fields = {"name": self._file(text, target), **fields}
        if url is not None:
            fields.setdefault("name", self._path(url, target))
        if not fields.get("name"):
            raise target.error("name", "is missing: the path of the database's file, or :memory:")
        if any("\ud800" <= character <= "\udfff" for character in fields["name"]):
            raise target.error("name", "has a character that is no text (a lone surrogate)")
        url = "sqlite://" if fields["name"] == MEMORY else "sqlite:///" + quote(fields["name"])
        return Credentials("sqlite", {**fields, "url": url}, url, DRIVERS)

    def _file(self, text: object, target: DatastoreTarget) -> str:
        """The file that a connection string names."""
        try:
            told = read_connection_string(str(text))
        except ValueError as problem:
            reason = str(problem)
        else:
            if told.keys() == {"type", "name"}:
                return str(told["name"])
            reason = "must have the form Data Source=path"
        raise target.error("connection_string", reason)

    def _path(self, url: str, target: DatastoreTarget) -> str:
        scheme, _, rest = url.partition(":")
        scheme = scheme.partition("+")[0].lower()  # without a driver
        if scheme == "sqlite" and rest in {"//", "///", "///:memory:"}:
            return MEMORY
        if scheme != "sqlite" or not rest.startswith("///") or "?" in rest or "#" in rest:
            raise target.error("url", "must have the form sqlite:///path, with '?' and '#' percent-encoded")
        try:
            return unquote(rest.removeprefix("///"), errors="strict")
        except UnicodeDecodeError:
            reason = "has percent-encoded bytes that are not UTF-8"
        raise target.error("url", reason)


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return SqliteParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Makes a database for `architect run`."""
    from architect_datastore.sqlite_server import SqliteProvisioner

    return SqliteProvisioner()
