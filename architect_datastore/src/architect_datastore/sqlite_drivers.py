"""The keyword arguments of SQLite's drivers."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import DriverError

if TYPE_CHECKING:
    from architect_core.contract import Credentials, Driver

MEMORY = ":memory:"


def connect(db: Credentials) -> dict[str, Any]:
    """`sqlite3.connect` and `aiosqlite.connect`."""
    return {"database": db.name}


def sqlalchemy(db: Credentials, driver: str = "pysqlite") -> dict[str, Any]:
    """`sqlalchemy.create_engine`, which decodes the path in a URL since 2.1 and takes it as it is before."""
    name = db.name or MEMORY
    if name == MEMORY:
        return {"url": f"sqlite+{driver}://"}
    if not any(character in name for character in "%?"):
        return {"url": f"sqlite+{driver}:///{name}"}
    if driver != "pysqlite":
        raise DriverError(f"sqlalchemy+{driver} cannot be told a file whose name has '%' or '?'; use another driver")
    return {"url": db.url, "creator": partial(sqlite3.connect, name, check_same_thread=False)}


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
