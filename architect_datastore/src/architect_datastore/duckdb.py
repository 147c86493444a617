"""DuckDB, whose database is a file, and MotherDuck (https://duckdb.org/docs/stable/clients/python/dbapi)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import ConfigDict

from architect_core.contract import Credentials, DatastoreTarget, Options, scheme_of
from architect_datastore.kit.network import NetworkParser
from architect_datastore.kit.url import build_url

MEMORY = ":memory:"
_MOTHERDUCK = "md:"
_TOKEN = "motherduck_token"  # noqa: S105 - the name of an option
_MODES = {"read_only": True, "read_write": False}
_PLAIN = re.compile(r"[\w./:~+-]+", re.ASCII)


class DuckdbOptions(Options):
    """Options of a DuckDB datastore; others are settings of DuckDB, such as `threads` or `memory_limit`.

    Attributes:
        read_only: whether the file is opened for reading alone.
        motherduck_token: the token for MotherDuck; the `password` of the entry by default.
    """

    model_config = ConfigDict(extra="allow")

    read_only: bool | None = None
    motherduck_token: str | None = None


def connect(db: Credentials) -> dict[str, Any]:
    """`duckdb.connect`."""
    settings = {key: value for key, value in db.options.items() if key != "read_only"}
    if (db.name or "").startswith(_MOTHERDUCK) and db.password is not None:
        settings.setdefault(_TOKEN, db.password)
    read_only = {"read_only": True} if db.options.get("read_only") else {}
    return {"database": db.name, **read_only, **({"config": settings} if settings else {})}


def sqlalchemy(db: Credentials) -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with duckdb-engine; SQLAlchemy decodes the path in a URL since 2.1."""
    arguments = connect(db)
    if _PLAIN.fullmatch(db.name or ""):
        name = arguments.pop("database")
        return {"url": f"duckdb:///{name}", **({"connect_args": arguments} if arguments else {})}
    return {"url": f"duckdb:///{MEMORY}", "connect_args": arguments}


class DuckdbParser(NetworkParser):
    """Credentials for `duckdb.connect(**db.for_driver("duckdb"))`, and SQLAlchemy.

    The name is the file's path, relative to the working directory unless it starts with "/", ":memory:", or "md:name"
    of MotherDuck. A URL has the form "duckdb:///relative.duckdb", "duckdb:////absolute.duckdb", "duckdb://" for memory,
    "duckdb:///md:name" or "motherduck:///name", percent-encoded, with settings in its query.
    """

    Options = DuckdbOptions
    needs_host = False

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Sets the name of a URL without one; raises `target.error` if there is a host, or neither name nor URL."""
        is_cloud = "motherduck" in {target.engine, scheme_of(target.config.url or "")}
        for field in ("host", "port"):
            if field in fields:
                form = "motherduck:///name" if is_cloud else "duckdb:///path"
                raise target.error(field, f"is not used: a database is a file, or one of MotherDuck; as a URL, {form}")
        if target.config.url is None and "name" not in fields:
            raise target.error("name", "is missing: the path of the database's file, :memory:, or md:name")
        name = fields.setdefault("name", "" if is_cloud else MEMORY)
        if is_cloud and not name.startswith(_MOTHERDUCK):
            fields["name"] = _MOTHERDUCK + name

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - to override
        """Reads `access_mode` of DuckDB as `read_only`."""
        found = dict(query)
        mode = str(found.get("access_mode", "")).lower()
        if mode in _MODES:
            del found["access_mode"]
            found.setdefault("read_only", _MODES[mode])
        return found

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Writes `read_only` as DuckDB's `access_mode`."""
        query = {key: value for key, value in options.items() if key != "read_only"}
        mode = next((mode for mode, value in _MODES.items() if value == options.get("read_only")), None)
        return scheme, {**({"access_mode": mode} if mode else {}), **query}

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL with the path as it is in SQLAlchemy's."""
        return build_url(scheme, fields, query, path=quote(fields["name"], safe="/:"))


PARSER = DuckdbParser(
    "duckdb",
    None,
    schemes={"duckdb": "duckdb", "motherduck": "duckdb"},
    drivers={"duckdb": connect, "sqlalchemy": sqlalchemy, "sqlalchemy+duckdb": sqlalchemy},
)
