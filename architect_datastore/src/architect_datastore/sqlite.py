"""SQLite, whose database is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from architect_core.contract import CredentialParser
from architect_core.datastore import Credentials
from architect_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from architect_core.contract import DatastoreProvisioner, DatastoreTarget

ARCHITECT_CONTRACT = 1

MEMORY = ":memory:"


class SqliteParser(CredentialParser):
    """Credentials for `sqlite3.connect(db.name)` and, as `db.url`, for SQLAlchemy.

    The name is the file's path, relative to the working directory unless it starts with "/", or ":memory:". A URL has
    SQLAlchemy's form: "sqlite:///relative.db", "sqlite:////absolute.db", and "sqlite://" for memory.
    """

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials; `host`, `port`, `username` and `password` are None unless they were given."""
        fields = {key: value for key, value in target.config.items() if value is not None}
        url = fields.pop("url", None)
        if url is not None:
            fields.setdefault("name", self._path(url, target))
        if not fields.get("name"):
            raise target.error("name", "is missing: the path of the database's file, or :memory:")
        url = "sqlite://" if fields["name"] == MEMORY else "sqlite:///" + quote(fields["name"])
        return Credentials("sqlite", {**fields, "url": url}, url)

    def _path(self, url: str, target: DatastoreTarget) -> str:
        scheme, _, rest = url.partition(":")
        if scheme.lower() == "sqlite" and rest in {"//", "///", "///:memory:"}:
            return MEMORY
        if scheme.lower() != "sqlite" or not rest.startswith("///") or "?" in rest or "#" in rest:
            raise target.error("url", "must have the form sqlite:///path, with '?' and '#' percent-encoded")
        return unquote(rest.removeprefix("///"))


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return SqliteParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Makes a database for `architect run`."""
    from architect_datastore.sqlite_server import SqliteProvisioner

    return SqliteProvisioner()
