"""URLs that the engines' own clients read: without a host, with a socket among hosts, with a path of segments."""

from __future__ import annotations

import psycopg.conninfo
import pytest
import redis
from datastore_reading import credentials

from architect_core.exceptions import ConfigError


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("http://h/a/b/c", "a/b/c", "http://h/a/b/c"),
        ("http://h/a%2Fb/c", "a/b/c", "http://h/a%2Fb/c"),  # RFC 3986: another path
        ("http://h/a/", "a", "http://h/a/"),
        ("duckdb:////abs/x.duckdb", "/abs/x.duckdb", "duckdb:////abs/x.duckdb"),  # duckdb-engine
        ("duckdb:///x.duckdb", "x.duckdb", "duckdb:///x.duckdb"),
        ("snowflake://u:p@acc/db/schema", "db/schema", "snowflake://u:p@acc/db/schema"),  # snowflake-sqlalchemy
        ("trino://u@h:8080/catalog/schema?x=1", "catalog/schema", "trino://u@h:8080/catalog/schema?x=1"),  # trino
        ("influx://h/é x", "é x", "influx://h/%C3%A9%20x"),
    ],
)
def test_the_url_of_an_unknown_engine_keeps_its_path(url, name, expected):
    db = credentials(url=url, type="generic")
    assert (db.name, db.url) == (name, expected)
    assert credentials(url=db.url, type="generic").url == expected


def test_a_name_of_the_entry_replaces_the_path_of_the_url():
    assert credentials(url="influx://h/a/b", name="c/d e").url == "influx://h/c/d%20e"


@pytest.mark.parametrize(
    ("entry", "backend"),
    [
        ({"url": "postgis://u:p@h/d"}, "django.contrib.gis.db.backends.postgis"),  # dj-database-url
        ({"url": "postgis+psycopg://h/d"}, "django.contrib.gis.db.backends.postgis"),
        ({"type": "postgis", "url": "postgresql://h/d"}, "django.contrib.gis.db.backends.postgis"),
        ({"kind": "postgis", "host": "h"}, "django.contrib.gis.db.backends.postgis"),
        ({"image": "postgis/postgis:16", "host": "h"}, "django.contrib.gis.db.backends.postgis"),
        ({"url": "spatialite:////abs/x.db"}, "django.contrib.gis.db.backends.spatialite"),
        ({"url": "spatialite://:memory:"}, "django.contrib.gis.db.backends.spatialite"),
        ({"type": "spatialite", "name": "x.db"}, "django.contrib.gis.db.backends.spatialite"),
        ({"url": "mysqlgis://u:p@h/d"}, "django.contrib.gis.db.backends.mysql"),
        ({"url": "oraclegis://u:p@h/d"}, "django.contrib.gis.db.backends.oracle"),
        ({"url": "sqlite:///x.db"}, "django.db.backends.sqlite3"),
        ({"url": "postgresql://h/d"}, "django.db.backends.postgresql"),
        ({"type": "postgres", "host": "h"}, "django.db.backends.postgresql"),
        ({"type": "mysql", "host": "h"}, "django.db.backends.mysql"),
    ],
)
def test_postgis_has_its_own_backend_in_django(entry, backend):
    assert credentials(**entry).for_driver("django")["ENGINE"] == backend


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///db",
        "postgresql://",
        "postgresql://u:p@/db",
        "postgresql://u@:5433/db",
        "postgres://:5432/db?host=/sock",
        "postgresql:///db?host=/run/pg,b",
        "postgresql:///db?host=/run/pg,b&port=1,2",
        "postgresql://%2Frun%2Fpg,b/db",
    ],
)
def test_a_url_of_postgresql_means_what_libpq_reads_in_it(url):
    expected = psycopg.conninfo.conninfo_to_dict(url)
    given = credentials(url=url).for_driver("psycopg")
    again = psycopg.conninfo.conninfo_to_dict(credentials(url=url).url)
    for found in (given, again):
        shown = {key: str(value) for key, value in found.items()}
        assert {**shown, "port": None} == {**expected, "port": None}
        # ours states the default port
        assert set(shown.get("port", "5432").split(",")) == {
            each or "5432" for each in (expected.get("port") or "").split(",")
        }


@pytest.mark.parametrize("url", ["redis://", "redis:///3", "redis://:6380/2", "redis://:p@", "redis://u:p@:6380"])
def test_a_url_of_redis_without_a_host_means_what_redis_py_reads_in_it(url):
    with redis.Redis.from_url(url) as theirs, redis.Redis(**credentials(url=url).for_driver("redis")) as ours:
        for key in ("host", "port", "username", "password", "db"):
            default = {"host": "localhost", "port": 6379, "db": 0}.get(key)
            stated = theirs.connection_pool.connection_kwargs.get(key) or default
            assert ours.connection_pool.connection_kwargs[key] == stated


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://", "amqp://localhost:5672/%2F"),  # pika
        ("amqps://", "amqps://localhost:5671/%2F"),
        ("amqp:///v", "amqp://localhost:5672/v"),
        ("amqp://u:p@", "amqp://u:p@localhost:5672/%2F"),
        ("rediss://", "rediss://localhost:6379/0"),
        ("mysql:///d", "mysql://localhost:3306/d"),  # mysqlclient
        ("mysql://u:p@:3307/d", "mysql://u:p@localhost:3307/d"),
        ("clickhouse://", "clickhouse://localhost:8123/"),  # clickhouse-connect
        ("mongodb://", None),  # PyMongo: a URI must have a host
        ("mssql:///d", None),
        ("redis://:p@:70000", None),
        ("postgresql://:/d,canary@", None),
    ],
)
def test_a_url_without_a_host_is_on_this_machine_if_the_engine_s_clients_say_so(url, expected):
    if expected is None:
        with pytest.raises(ConfigError):
            credentials(url=url)
    else:
        assert credentials(url=url).url == expected


def test_an_entry_without_a_url_needs_a_host():
    for engine in ("postgres", "redis", "amqp", "mysql"):
        with pytest.raises(ConfigError, match=r"primary_db\.host: is missing"):
            credentials(type=engine, name="1")


@pytest.mark.parametrize(
    ("entry", "hosts"),
    [
        ({"type": "postgres", "hosts": ["/run/pg", "b"]}, [("/run/pg", 5432), ("b", 5432)]),
        ({"type": "postgres", "hosts": ["/run/pg", "/run/b"], "port": 1}, [("/run/pg", 1), ("/run/b", 1)]),
        ({"url": "postgresql:///db?host=/run/pg,b"}, [("/run/pg", 5432), ("b", 5432)]),
        ({"url": "postgresql:///db?host=b,/run/pg&port=1,2"}, [("b", 1), ("/run/pg", 2)]),
        ({"type": "mongodb", "hosts": ["/run/m.sock", "b"]}, [("/run/m.sock", None), ("b", 27017)]),
    ],
)
def test_a_socket_may_be_among_several_hosts(entry, hosts):
    db = credentials(**entry)
    assert db.hosts == credentials(url=db.url).hosts == hosts


@pytest.mark.parametrize("driver", ["psycopg_async", "psycopg-async", "psycopg2", "asyncpg", "aiopg"])
def test_a_driver_may_have_an_underscore(driver):
    assert credentials(url=f"postgresql+{driver}://h/d").engine == "postgres"
    assert credentials(url=f"my+{driver}://h/d").url == f"my+{driver}://h/d"
