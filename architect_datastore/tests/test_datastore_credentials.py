"""Credentials from fields and URLs, and errors without values."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback

import pytest
from datastore_reading import credentials
from hypothesis import given
from hypothesis import strategies as st

from architect_core.exceptions import ArchitectError, ConfigError
from architect_core.resolver import Resolver
from architect_datastore.kit import build_url, parse_url

SECRET = "s3cret/canary"


@pytest.mark.parametrize(
    ("entry", "engine", "url"),
    [
        ({"type": "postgres", "host": "db"}, "postgres", "postgresql://db:5432/"),
        ({"type": "postgresql", "host": "db", "port": "99", "name": "n"}, "postgres", "postgresql://db:99/n"),
        ({"image": "postgres:10", "host": "::1"}, "postgres", "postgresql://[::1]:5432/"),
        ({"image": "reg:5000/postgis/postgis@sha256:1", "host": "[::1]"}, "postgres", "postgresql://[::1]:5432/"),
        ({"url": "postgres://u:p%40@h:9/n"}, "postgres", "postgresql://u:p%40@h:9/n"),
        ({"url": "postgresql+psycopg://h/n?sslmode=require"}, "postgres", "postgresql://h:5432/n?sslmode=require"),
        ({"url": "postgresql://u@/n?host=/run/pg"}, "postgres", "postgresql://u@/n?port=5432&host=%2Frun%2Fpg"),
        ({"url": "postgresql:///?user=u&dbname=n&host=h&port=9"}, "postgres", "postgresql://u@h:9/n"),
        ({"type": "postgres", "host": "/run/pg"}, "postgres", "postgresql:///?port=5432&host=%2Frun%2Fpg"),
        ({"type": "mysql", "host": "db", "username": "u"}, "mysql", "mysql://u@db:3306/"),
        ({"image": "mariadb:11", "host": "db"}, "mysql", "mariadb://db:3306/"),
        ({"url": "mysql+pymysql://root:@h/n"}, "mysql", "mysql://root:@h:3306/n"),
        ({"type": "redis", "host": "db", "password": "p"}, "redis", "redis://:p@db:6379/0"),
        ({"url": "rediss://:p@h/3"}, "redis", "rediss://:p@h:6379/3"),
        ({"image": "valkey/valkey:8", "host": "h"}, "redis", "redis://h:6379/0"),
        ({"type": "sqlite", "name": "a b.db"}, "sqlite", "sqlite:///a%20b.db"),
        ({"url": "sqlite:////tmp/x.db"}, "sqlite", "sqlite:////tmp/x.db"),
        ({"url": "sqlite://"}, "sqlite", "sqlite://"),
        ({"url": "sqlite+aiosqlite:///orders.db"}, "sqlite", "sqlite:///orders.db"),
        ({"url": "SQLite+pysqlite://"}, "sqlite", "sqlite://"),
        ({"url": "mongodb://u:p@h/n?replicaSet=r"}, "mongodb", "mongodb://u:p@h:27017/n?replicaSet=r"),
        ({"url": "influx+x://u:p@h/n?a=r"}, "influx", "influx+x://u:p@h/n?a=r"),
        ({"host": "h"}, "generic", None),
        # the names that drivers have, where nothing else names the login
        (
            {"type": "postgres", "host": "h", "user": "u", "password": "p", "dbname": "n"},
            "postgres",
            "postgresql://u:p@h:5432/n",
        ),
        ({"type": "mysql", "host": "h", "user": "u", "passwd": "p", "db": "n"}, "mysql", "mysql://u:p@h:3306/n"),
        ({"type": "redis", "host": "h", "db": 2}, "redis", "redis://h:6379/2"),
        ({"type": "rabbitmq", "host": "h", "virtual_host": "v"}, "rabbitmq", "amqp://h:5672/v"),
        ({"type": "sqlserver", "host": "h", "database": "n"}, "sqlserver", "mssql://h:1433/n"),
        ({"type": "snowflake", "account": "a", "user": "u"}, "snowflake", "snowflake://u@a/"),
        ({"type": "bigquery", "project": 123456789012, "dataset": "n"}, "bigquery", "bigquery://123456789012/n"),
        ({"type": "snowflake", "account": 5, "database": 7}, "snowflake", "snowflake://5/7"),
        ({"type": "nats", "host": "h", "username": ""}, "nats", "nats://h:4222/"),
        ({"type": "elasticsearch", "host": "h", "database": "n"}, "elasticsearch", "http://h:9200"),
        ({"type": "postgres", "host": "h", "username": "own", "user": "u"}, "postgres", "postgresql://own@h:5432/"),
        ({"url": "mysql://own@h/n", "user": "u", "database": "other"}, "mysql", "mysql://own@h:3306/n"),
    ],
)
def test_the_engine_is_found_and_the_url_is_complete(datastore, entry, engine, url):
    db = datastore(**entry)
    assert (db.engine if engine != "influx" else engine, db.url) == (engine, url)


def test_a_field_of_the_entry_wins_over_one_of_its_url(datastore):
    db = datastore(url="postgresql://u:p@h:1/n", host="other", password="q")
    assert (db.host, db.password, db.username, db.url) == ("other", "q", "u", "postgresql://u:q@other:1/n")


def test_raw_parameters_stay_beside_their_aliases(datastore):
    db = datastore(type="postgres", host="h", username="u", POSTGRES_USER="u")
    assert db.username == db.POSTGRES_USER == db["POSTGRES_USER"] == "u"


def test_a_number_as_password_is_text(datastore):
    assert datastore(type="postgres", host="h", password=1234).password == "1234"


def test_sqlite_in_memory_has_sqlite_s_own_name(datastore):
    assert datastore(url="sqlite:///:memory:").name == ":memory:"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "postgres"}, "primary_db.host: is missing"),
        ({"type": "postgres", "host": "http://u:canary@h"}, "primary_db.host: must be a host alone"),
        ({"type": "postgres", "host": "a:b:c"}, "primary_db.host: the host looks like an IPv6 address"),
        ({"type": "postgres", "url": f"mysql://u:{SECRET}@h"}, "primary_db.url: "),
        ({"type": "postgres", "url": "mysql://h"}, "primary_db.url: has a scheme that is not of postgres"),
        ({"type": "mysql", "url": "mysql://a,b/n"}, "names several hosts"),
        ({"url": f"postgres://u:{SECRET}@h/n"}, "must be percent-encoded"),
        ({"url": "postgres://h:99999/n"}, "a port is a number"),
        ({"url": "postgres://h/n?port=x"}, "a port is a number"),
        ({"url": f"postgres://h/n#{SECRET}"}, "this is no URL"),
        ({"url": SECRET}, "this is no URL"),
        ({"type": "mysql", "host": "h", "user": {"canary": 1}}, "primary_db.user: must be text"),
        ({"type": "mysql", "host": "h", "passwd": ["canary"]}, "primary_db.passwd: must be text"),
        ({"type": "bigquery", "project": ["canary"]}, "primary_db.project: must be text"),
        (
            {"type": "bigquery", "host": "p", "endpoint": "http://h", "options": {"ca": "/canary"}},
            "has http, so that options of TLS have no meaning",
        ),
        ({"type": "snowflake", "account": {"canary": 1}}, "primary_db.account: must be text"),
        ({"type": "neo4j", "host": "h", "database": True}, "primary_db.database: must be text"),
        ({"type": "redis", "host": "h", "db": SECRET}, "primary_db.db: the database must be a number"),
        ({"type": "redis", "host": "h", "name": SECRET}, "primary_db.name: the database must be a number"),
        ({"type": "sqlite"}, "primary_db.name: is missing"),
        ({"url": "sqlite:x"}, "must have the form sqlite:///path"),
    ],
)
def test_the_message_for_a_malformed_entry_has_the_path_and_not_the_value(datastore, entry, expected):
    with pytest.raises(ConfigError) as caught:
        datastore(**entry)
    assert expected in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


def test_nothing_printed_shows_the_password(datastore):
    db = datastore(url=f"postgresql://u:{SECRET.replace('/', '%2F')}@h/n", token=SECRET)
    assert db.password == SECRET
    assert "canary" not in repr(db) + str(db) + f"{db}" + repr([db])
    db = datastore(type="postgres", url="postgresql://u@h/n?sslmode=require&canary=x")
    assert repr(db).endswith("name='n', username=***, type=***, options=***, url=***)")


def test_the_attributes_that_an_error_lists_are_no_parts_of_a_password(datastore):
    db = datastore(url="redis://u@h/1?password=a&canary1=b", type="redis", **{"canary@2": 1})
    with pytest.raises(
        AttributeError, match="known: host, name, options, password, port, type, url, username"
    ) as caught:
        db.no_such  # noqa: B018 - looking it up is the test
    assert "canary" not in str(caught.value) + repr(db)


def test_an_option_without_a_value_may_be_a_part_of_a_password(datastore):
    with pytest.raises(ConfigError, match="has an option without a name, or with one that is none"):
        datastore(url="redis://u@h/1?password=a&canary")


def test_an_unknown_image_is_generic_and_the_manifest_s_image_names_the_engine(tmp_path):
    manifest = {"name": "acme/orders", "datastores": {"primary_db": {"image": "postgres:10"}}}
    (tmp_path / "architect.json").write_text(json.dumps(manifest))
    config = {"acme/orders": {"datastores": {"primary_db": {"host": "h"}, "x": {"image": "influx:2", "host": "h"}}}}
    resolver = Resolver(config, current_service="acme/orders", root=tmp_path)
    assert resolver.datastore("primary_db").url == "postgresql://h:5432/"
    assert resolver.datastore("x").engine == "generic"


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(text, text, text.filter(lambda name: not name.endswith("/")))
def test_building_and_parsing_a_url_loses_nothing(username, password, name):
    fields = {"username": username, "password": password, "host": "h", "port": 1, "name": name}
    assert parse_url(build_url("postgresql", fields, {"sslmode": name})).fields == fields
    assert parse_url(build_url("postgresql", fields, {"sslmode": name})).options == {"sslmode": name}


@given(st.text() | text.map(lambda rest: f"postgres://{rest}") | text.map(lambda rest: f"sqlite:{rest}"))
def test_no_url_raises_anything_but_ours(url):
    try:
        db = credentials(url=url)
    except ArchitectError as problem:
        assert str(problem)  # noqa: PT017 - either outcome is right, but an error must say something
    else:
        assert repr(db)


def test_the_first_datastore_imports_nothing_that_it_does_not_need():
    unneeded = ("ssl", "tomllib", "architect_core.resolver.events", "architect_datastore.tls")
    program = f"""
import sys
from architect_core.resolver import Resolver

config = {{"me": {{"datastores": {{"db": {{"type": "postgres", "host": "h"}}}}}}}}
Resolver(config, current_service="me").datastore("db")
print([name for name in {unneeded!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
