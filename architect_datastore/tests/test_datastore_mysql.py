"""Credentials open a real MySQL or MariaDB server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

PASSWORD = "a@:/?#% \"'\\ b"  # ASCII: PyMySQL sends others as latin-1, which the server did not store


@pytest.fixture
def account() -> Iterator[dict[str, Any]]:
    """A user and a database of this test, on the server that listens on the local default port."""
    place = {"host": "127.0.0.1", "port": 3306}
    name = f"architect_{secrets.token_hex(4)}"
    try:
        root = pymysql.connect(user="root", **place)
    except pymysql.err.OperationalError as problem:
        pytest.skip(f"no MySQL for root without a password on 127.0.0.1:3306: {problem}")
    with root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"GRANT ALL ON {name}.* TO {name}@'%'")
        yield {**place, "username": name, "password": PASSWORD, "name": name}
        cursor.execute(f"DROP USER {name}@'%'")
        cursor.execute(f"DROP DATABASE {name}")


def connects(db: Any) -> bool:
    connection = pymysql.connect(host=db.host, port=db.port, user=db.username, password=db.password, database=db.name)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        return cursor.fetchone() == (db.name,)


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_the_fields_of_an_entry_open_the_database(datastore, account, engine):
    assert connects(datastore(type=engine, **account))


def test_the_url_opens_the_database_too(datastore, account):
    assert connects(datastore(url=datastore(type="mysql", **account).url))
