"""Snowflake: what its connector, SQLAlchemy and Django take, checked by hand against the real ones, which are large."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sqlalchemy
from datastore_reading import credentials

from architect_core.exceptions import ConfigError

PEM = "-----BEGIN PRIVATE KEY-----\nMIIBcanary\nAAAA==\n-----END PRIVATE KEY-----\n"
LOGIN = {"user": "u", "password": "p@"}

# an entry -> the arguments of snowflake.connector.connect
ENTRIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"url": "snowflake://u:p%40@org-acc/db/sch?warehouse=w&role=r"},  # snowflake-sqlalchemy
        {"account": "org-acc", **LOGIN, "database": "db", "schema": "sch", "warehouse": "w", "role": "r"},
    ),
    ({"url": "snowflake://u:p%40@acc.eu-west-1/db"}, {"account": "acc.eu-west-1", **LOGIN, "database": "db"}),
    ({"url": "snowflake://u:p%40@acc"}, {"account": "acc", **LOGIN}),
    ({"url": "snowflake://u:p%40@acc/?schema=s"}, {"account": "acc", **LOGIN, "schema": "s"}),
    ({"url": "snowflake://u:p%40@acc/a%20b/s/"}, {"account": "acc", **LOGIN, "database": "a b", "schema": "s"}),
    (
        {"url": "snowflake://u:p%40@acc.snowflakecomputing.com/db"},
        {"account": "acc", "host": "acc.snowflakecomputing.com", **LOGIN, "database": "db"},
    ),
    (
        {"url": "snowflake://u:p%40@127.0.0.1:8080/db/s?account=a&protocol=http"},  # fakesnow
        {
            "account": "a",
            "host": "127.0.0.1",
            "port": 8080,
            "protocol": "http",
            **LOGIN,
            "database": "db",
            "schema": "s",
        },
    ),
    ({"url": "snowflake+tls://u:p%40@acc"}, {"account": "acc", "protocol": "https", **LOGIN}),
    ({"url": "snowflake+snowflake://u:p%40@acc"}, {"account": "acc", **LOGIN}),
    (
        {"url": "snowflake://u:p%40@acc?client_session_keep_alive=true&query_tag=t&login_timeout=7"},
        {"account": "acc", **LOGIN, "client_session_keep_alive": True, "query_tag": "t", "login_timeout": 7},
    ),
    (
        {"account": "acc", "username": "u", "password": "p@", "database": "d", "schema": "s", "Warehouse": "w"},
        {"account": "acc", **LOGIN, "database": "d", "schema": "s", "warehouse": "w"},
    ),
    ({"host": "acc", "use_tls": True}, {"account": "acc", "protocol": "https"}),
    ({"host": "acc", "options": {"sslmode": "verify-full"}}, {"account": "acc", "protocol": "https"}),
    (
        {"host": "acc", "username": "u", "options": {"private_key": PEM}},
        {"account": "acc", "user": "u", "private_key": "MIIBcanaryAAAA==", "authenticator": "SNOWFLAKE_JWT"},
    ),
    (
        {"host": "acc", "private_key_path": "/k.p8", "private_key_passphrase": "canary"},
        {
            "account": "acc",
            "private_key_file": "/k.p8",
            "private_key_file_pwd": "canary",
            "authenticator": "SNOWFLAKE_JWT",
        },
    ),
    (
        {"host": "acc", "username": "u", "options": {"token": "canary", "authenticator": "oauth"}},
        {"account": "acc", "user": "u", "token": "canary", "authenticator": "oauth"},
    ),
    ({"host": "h", "port": 1, "account": "a"}, {"account": "a", "host": "h", "port": 1}),
]


@pytest.mark.parametrize(("entry", "arguments"), ENTRIES)
def test_the_connector_s_arguments_are_what_an_entry_and_its_url_mean(entry, arguments):
    db = credentials(**({} if "url" in entry else {"type": "snowflake"}), **entry)
    assert "canary" not in repr(db)
    for each in (db, credentials(url=db.url), pickle.loads(pickle.dumps(db))):
        for driver in ("snowflake", "snowflake-connector-python", "snowflake_connector_python"):
            assert each.for_driver(driver) == arguments


@pytest.mark.parametrize(("entry", "arguments"), ENTRIES)
def test_sqlalchemy_s_url_and_arguments_are_the_same(entry, arguments):
    given = credentials(**({} if "url" in entry else {"type": "snowflake"}), **entry).for_driver("sqlalchemy")
    url = sqlalchemy.make_url(given["url"])
    login = {key: value for key, value in {"user": url.username, "password": url.password}.items() if value}
    assert (url.drivername, url.host, url.database) == ("snowflake", None, None)
    assert {**given["connect_args"], **login} == arguments


def test_django_s_entry_is_that_of_django_snowflake():
    db = credentials(url="snowflake://u:p@acc/db/sch?warehouse=w&role=r")
    assert db.for_driver("django") == {
        "ENGINE": "django_snowflake",
        "ACCOUNT": "acc",
        "USER": "u",
        "PASSWORD": "p",
        "NAME": "db",
        "SCHEMA": "sch",
        "WAREHOUSE": "w",
        "OPTIONS": {"role": "r"},
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "snowflake"},
        {"url": "snowflake://u:canary@acc?sslmode=require"},  # the connector verifies
        {"url": "snowflake+tls://u:canary@acc?protocol=http"},
        {"url": "snowflake+foo://u:canary@acc"},
        {"url": "snowflake://u:canary@acc?protocol=canary"},
        {"type": "snowflake", "host": "acc", "options": {"private_key_file": ""}},
    ],
)
def test_a_wrong_entry_is_an_error_that_repeats_no_value(entry):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert "canary" not in str(caught.value)
