"""What peers' own inputs mean, with the peer or the specification that says so: values that drivers get."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import Iterator

import pika
import pytest
import redis.cluster
from aiormq import Connection
from pymongo import MongoClient
from sqlalchemy import create_engine, text

from architect_core.exceptions import ConfigError, DriverError


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port that is bound, and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


ASYNCPG = "postgresql+asyncpg://u:p@h/d?"
LOGIN = {"user": "u", "password": "p", "host": "h", "port": 5432, "database": "d"}
ODBC = {"driver": "{ODBC Driver 18 for SQL Server}"}


@pytest.mark.parametrize(
    ("url", "driver", "expected"),
    [
        # SQLAlchemy: dialects/postgresql/asyncpg, "Prepared Statement Cache"
        (ASYNCPG + "prepared_statement_cache_size=0", "sqlalchemy+asyncpg", {"prepared_statement_cache_size": 0}),
        (ASYNCPG + "prepared_statement_cache_size=500", "sqlalchemy+asyncpg", {"prepared_statement_cache_size": 500}),
        (ASYNCPG + "prepared_statement_cache_size=0", "sqlalchemy+psycopg", None),
        (ASYNCPG + "async_fallback=True", "sqlalchemy+psycopg2", None),
        # asyncpg: the arguments of `connect`
        (ASYNCPG + "statement_cache_size=0", "sqlalchemy+asyncpg", {"statement_cache_size": 0}),
        (ASYNCPG + "command_timeout=2.5", "sqlalchemy+asyncpg", {"command_timeout": 2.5}),
        (ASYNCPG + "max_cacheable_statement_size=9", "sqlalchemy+asyncpg", {"max_cacheable_statement_size": 9}),
        # PostgreSQL: what the server or libpq knows
        (ASYNCPG + "search_path=x", "sqlalchemy+asyncpg", {"dsn": "postgresql:///?search_path=x"}),
        ("postgresql+psycopg://u:p@h/d?client_encoding=utf8", "sqlalchemy+psycopg", {"client_encoding": "utf8"}),
    ],
)
def test_an_option_of_a_dialect_is_for_sqlalchemy_and_one_of_the_server_for_the_server(
    datastore, url, driver, expected
):
    assert datastore(url=url).for_driver(driver).get("connect_args") == expected


def test_asyncpg_itself_gets_its_own_options_and_not_those_of_the_dialect(datastore):
    db = datastore(url=ASYNCPG + "prepared_statement_cache_size=0&statement_cache_size=0")
    assert db.for_driver("asyncpg") == {**LOGIN, "statement_cache_size": 0}


@pytest.mark.parametrize(
    ("url", "driver", "expected"),
    [
        (ASYNCPG + "statement_cache_size=0", "psycopg", "only asyncpg has it"),
        (ASYNCPG + "statement_cache_size=canary", "asyncpg", "as statement_cache_size"),
        ("mysql://h/d?read_timeout=3", "aiomysql", "'read_timeout'"),
        ("mysql://h/d?collation=canary", "aiomysql", "'collation'"),
        ("postgresql://h/d?direct_tls=true", "psycopg", "only asyncpg has it"),
        ("postgresql://h/d?direct_tls=canary", "asyncpg", "needs numbers, or true and false, as direct_tls"),
        ("mssql://h/d?PWD=canary", "pyodbc", "'PWD'"),
        ("mssql+pyodbc://u:canary@mydsn", "pymssql", "'dsn'"),
        ("amqps://h?auth_mechanism=external", "pika", "it has plain; allow one of them"),
        ("amqps://h?server_name_indication=canary", "pika", "needs the option 'ca' too"),
        ("amqps://h?verify=verify_none&cacertfile=/canary", "pika", "does not support sslmode require"),
        ("amqp://u:canary@h/a%252Fb", "aio-pika", "reads %2F in the name of a virtual host as '/'"),
    ],
)
def test_a_driver_that_has_no_such_option_says_so(datastore, url, driver, expected):
    with pytest.raises(DriverError) as caught:
        datastore(url=url).for_driver(driver)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "driver", "expected"),
    [
        # redis-py: URL_QUERY_ARGUMENT_PARSERS
        ({"url": "redis://h?retry_on_timeout=true"}, "redis", {"retry_on_timeout": True}),
        ({"url": "redis://h?retry_on_timeout=no"}, "redis", {"retry_on_timeout": False}),
        ({"url": "redis://h?encoding=latin-1"}, "redis", {"encoding": "latin-1"}),
        ({"url": "redis://h?encoding_errors=replace"}, "redis", {"encoding_errors": "replace"}),
        # mysqlclient and PyMySQL: the arguments of `connect`
        ({"url": "mysql://h/d?init_command=SET+x"}, "pymysql", {"init_command": "SET x"}),
        ({"url": "mysql://h/d?init_command=SET+x"}, "aiomysql", {"init_command": "SET x"}),
        ({"url": "mysql://h/d?init_command=SET+x"}, "mysqlclient", {"init_command": "SET x"}),
        ({"url": "mysql://h/d?read_timeout=3&write_timeout=4"}, "pymysql", {"read_timeout": 3, "write_timeout": 4}),
        *(
            ({"url": "mysql://h/d?autocommit=true"}, driver, {"autocommit": True})
            for driver in ("pymysql", "aiomysql", "mysqlclient")
        ),
        ({"url": "mysql://h/d?collation=utf8mb4_bin"}, "pymysql", {"collation": "utf8mb4_bin"}),
        ({"url": "mysql://h/d?collation=utf8mb4_bin"}, "mysqlclient", {"collation": "utf8mb4_bin"}),
        ({"url": "mysql://h/d?program_name=x"}, "aiomysql", {"program_name": "x"}),
        # asyncpg: `connect`
        (
            {"url": "postgresql://h/d?direct_tls=true"},
            "asyncpg",
            {"direct_tls": True, "dsn": "postgresql:///?sslmode=require"},
        ),
        ({"url": "postgresql://h/d?direct_tls=0"}, "asyncpg", {"direct_tls": False}),
        # nats-py: `connect`
        ({"url": "nats://h?nkeys_seed=/x"}, "nats-py", {"nkeys_seed": "/x"}),
        # ODBC Driver for SQL Server: DSN and connection string keywords
        ({"url": "mssql://h/d?Trusted_Connection=yes"}, "pyodbc", {"Trusted_Connection": "{yes}"}),
        ({"url": "mssql://h/d?MARS_Connection=yes"}, "pyodbc", {"MARS_Connection": "{yes}"}),
        (
            {"url": "mssql://h/d?Authentication=ActiveDirectoryMsi"},
            "pyodbc",
            {"authentication": "{ActiveDirectoryMsi}"},
        ),
        ({"url": "mssql://h/d?WSID=a%7Db"}, "pyodbc", {"WSID": "{a}}b}"}),
        # pymssql: the arguments of `connect`
        ({"url": "mssql://h/d?charset=utf8"}, "pymssql", {"charset": "utf8"}),
        ({"url": "mssql://h/d?tds_version=7.4"}, "pymssql", {"tds_version": "7.4"}),
        ({"url": "mssql+pymssql://h/d?encryption=require"}, "pymssql", {"encryption": "require"}),
        ({"url": "mssql+pymssql://h/d?encryption=off"}, "pymssql", {"encryption": "off"}),
        ({"url": "mssql+pymssql://h/d?encryption=require"}, "pyodbc", {"encrypt": "{yes}"}),
        # SQL Server: an instance, whose port is that which SQL Server Browser says
        ({"type": "sqlserver", "host": "h\\INST"}, "pymssql", {"server": "h\\INST"}),
        ({"url": "mssql://u:p@h\\INST/d"}, "pyodbc", {"server": "{h\\INST}"}),
        ({"url": "mssql://a%5Cb:p@h:1444/d"}, "pymssql", {"server": "h", "port": "1444"}),
        ({"url": "mssql://u:p@h%5CINST:1444/d"}, "pymssql", {"server": "h\\INST", "port": "1444"}),
        ({"connection_string": "Server=h\\INST;Initial Catalog=d"}, "pyodbc", {"server": "{h\\INST}"}),
        ({"connection_string": "Server=.\\INST;Initial Catalog=d"}, "pymssql", {"server": "localhost\\INST"}),
        ({"connection_string": "Server=tcp:h\\INST,1444;Database=d"}, "pyodbc", {"server": "{h\\INST,1444}"}),
        # SQLAlchemy: dialects/mssql, "DSN Connections": a host, and neither a database nor a driver
        ({"url": "mssql+pyodbc://u:p@mydsn"}, "pyodbc", {"dsn": "{mydsn}", "uid": "{u}", "pwd": "{p}"}),
        ({"url": "mssql+pyodbc://@mydsn"}, "pyodbc", {"dsn": "{mydsn}"}),
        ({"url": "mssql+pyodbc://mydsn/?Encrypt=no"}, "pyodbc", {"dsn": "{mydsn}", "encrypt": "{no}"}),
        ({"url": "mssql+pyodbc://h/d"}, "pyodbc", {**ODBC, "server": "{h,1433}", "database": "{d}"}),
        ({"url": "mssql+pyodbc://h:1433"}, "pyodbc", {**ODBC, "server": "{h,1433}"}),
        ({"url": "mssql+pyodbc://h?driver=FreeTDS"}, "pyodbc", {"driver": "{FreeTDS}", "server": "{h,1433}"}),
        ({"url": "mssql://h"}, "pyodbc", {**ODBC, "server": "{h,1433}"}),
    ],
)
def test_an_option_reaches_a_driver_that_has_it(datastore, entry, driver, expected):
    db = datastore(**entry)
    arguments = db.for_driver(driver)
    assert {key: arguments.get(key) for key in expected} == expected
    assert ("dsn" in arguments) is ("dsn" in expected)
    assert datastore(url=db.url).for_driver(driver) == arguments


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("CERT_REQUIRED", "required"),  # Celery: "SSL connection string"
        ("CERT_OPTIONAL", "required"),
        ("CERT_NONE", "none"),
        ("cert_required", "required"),  # kombu: parse_ssl_cert_reqs of its transport
        ("required", "required"),  # redis-py: SSLConnection
        ("optional", "required"),
        ("none", "none"),
    ],
)
def test_certificates_of_redis_are_verified_as_the_words_of_celery_and_kombu_say(datastore, word, expected):
    assert datastore(url=f"rediss://h?ssl_cert_reqs={word}").for_driver("redis")["ssl_cert_reqs"] == expected


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/0",
        "rediss://u:p@h:1?ssl_cert_reqs=none",
        "redis://h?socket_timeout=1&health_check_interval=3",
        "redis://h?client_name=x&protocol=3",
        "redis://h?retry_on_timeout=true&max_connections=3",
    ],
)
def test_a_cluster_of_redis_takes_the_arguments_of_redis(datastore, closed_port, url):
    arguments = datastore(url=url).for_driver("redis")
    assert arguments["host"] == "h"
    # a `db` and a socket's path are errors before it connects, and there is no node to connect to
    with pytest.raises(redis.exceptions.RedisClusterException, match="cannot be connected"):
        redis.cluster.RedisCluster(**{**arguments, "host": "127.0.0.1", "port": closed_port})


# https://www.rabbitmq.com/docs/uri-query-parameters
@pytest.mark.parametrize(
    ("query", "options", "drivers"),
    [
        ("verify=verify_peer", {"sslmode": "verify-full"}, {"pika", "aio-pika"}),
        ("verify=verify_none", {"sslmode": "require"}, {"aio-pika"}),
        ("verify=verify_none&cacertfile=/nowhere", {"sslmode": "require"}, {"aio-pika"}),
        ("server_name_indication=disable&verify=verify_none", {"sslmode": "require"}, {"aio-pika"}),
        (
            "cacertfile=/a&certfile=/b&keyfile=/c",
            {"sslmode": "verify-full", "ca": "/a", "certificate": "/b", "key": "/c"},
            {"pika"},  # aio-pika reads the files at once
        ),
        ("auth_mechanism=plain&auth_mechanism=amqplain", {"sslmode": "verify-full"}, {"pika", "aio-pika"}),
        ("auth_mechanism=external", {"sslmode": "verify-full", "auth_mechanism": "external"}, {"aio-pika"}),
        ("heartbeat=0", {"sslmode": "verify-full", "heartbeat": 0}, {"pika", "aio-pika"}),
        ("connection_timeout=1500", {"sslmode": "verify-full", "connect_timeout": 1.5}, {"pika", "aio-pika"}),
        ("channel_max=7", {"sslmode": "verify-full", "channel_max": "7"}, {"pika"}),
        ("depth=2", {"sslmode": "verify-full", "depth": "2"}, set()),
    ],
)
def test_each_documented_option_of_rabbitmq_is_read_and_reaches_the_drivers_that_have_it(
    datastore, query, options, drivers
):
    db = datastore(url=f"amqps://h?{query}")
    assert {key: db.options[key] for key in options} == options
    found = set()
    for driver in ("pika", "aio-pika"):
        with contextlib.suppress(DriverError):
            db.for_driver(driver)
            found.add(driver)
    assert found == drivers


def test_options_of_rabbitmq_reach_aio_pika(datastore):
    db = datastore(url="amqps://h?verify=verify_none&cacertfile=/nowhere")
    assert db.options == {"sslmode": "require"}
    arguments = db.for_driver("aio-pika")
    assert arguments["ssl_context"].check_hostname is False

    several = datastore(url="amqp://h?auth_mechanism=external&auth_mechanism=plain")
    assert several.options["auth_mechanism"] == ["external", "plain"]
    assert several.for_driver("aio-pika") == {"url": "amqp://h:5672/%2F?auth=external"}
    assert pika.URLParameters(**several.for_driver("pika")).host == "h"
    assert datastore(url="amqp://h?auth_mechanism=plain").for_driver("aio-pika") == {"url": "amqp://h:5672/%2F"}

    assert datastore(url="amqps://h?server_name_indication=disable").options == {"sslmode": "verify-ca"}
    assert datastore(url="amqp://h?server_name_indication=disable").options == {}
    with pytest.raises(ConfigError, match="has an option twice"):
        datastore(url="amqps://h?heartbeat=1&heartbeat=2")


def test_the_name_in_a_certificate_of_rabbitmq_reaches_pika(datastore, certificates):
    db = datastore(url="amqps://127.0.0.1", options={"ca": str(certificates.ca), "server_name_indication": "broker"})
    assert pika.URLParameters(**db.for_driver("pika")).ssl_options.server_hostname == "broker"


@pytest.mark.parametrize("name", ["/", "a/b", "a%2fb", "a%b", "ä b", "a+b"])
def test_a_virtual_host_of_rabbitmq_is_that_of_both_drivers(datastore, name):
    async def read() -> str:
        return Connection(db.for_driver("aio-pika")["url"]).vhost

    db = datastore(type="rabbitmq", host="h", name=name)
    assert pika.URLParameters(**db.for_driver("pika")).virtual_host == name
    assert asyncio.run(read()) == name


# https://github.com/mongodb/specifications, uri-options: tls-options.json, and connection-string: valid-unix_socket*
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://h/?tls=true&ssl=true", True),
        ("mongodb://h/?ssl=false&tls=false", None),
        ("mongodb://h/?tls=true&SSL=True", True),
        ("mongodb://h/?tlsAllowInvalidCertificates=true", None),
        ("mongodb://h/?tlsAllowInvalidHostnames=true", None),
        ("mongodb://h/?tlsInsecure=true", None),
        ("mongodb://h/?tlsAllowInvalidCertificates=false", True),
        ("mongodb://h/?tls=true&tlsAllowInvalidCertificates=true", True),
        ("mongodb://h/?tls=false&tlsAllowInvalidCertificates=true", None),
    ],
)
def test_mongodb_has_tls_if_the_driver_reads_it_so(datastore, url, expected):
    db = datastore(url=url)
    has_tls = db.options.get("sslmode") not in {None, "disable"}
    assert has_tls is bool(expected)
    with MongoClient(**db.for_driver("pymongo"), connect=False) as client:
        assert (client.options.pool_options._ssl_context is not None) is has_tls


def test_an_sslmode_overrides_what_a_url_of_mongodb_allows(datastore):
    db = datastore(url="mongodb://h/?tlsInsecure=true", options={"sslmode": "verify-full"})
    assert db.url == "mongodb://h:27017/?tls=true"


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/d", {("/tmp/mongodb-27017.sock", None)}),
        ("mongodb://rel%2Fmongodb-27017.sock", {("rel/mongodb-27017.sock", None)}),
        ("mongodb://mongodb-27017.sock/d", {("mongodb-27017.sock", None)}),
        ("mongodb://u:p@.%2Fa.sock/d", {("./a.sock", None)}),
        ("mongodb://rel%2Fa.sock,b/d", {("rel/a.sock", None), ("b", 27017)}),
        ("mongodb://h:1/d", {("h", 1)}),
    ],
)
def test_a_socket_of_mongodb_may_be_relative(datastore, url, nodes):
    db = datastore(url=url)
    assert set(db.hosts) == nodes
    with MongoClient(**db.for_driver("pymongo"), connect=False) as client:
        assert {host for host, _ in client._topology_settings.seeds} == {host for host, _ in nodes}


@pytest.mark.parametrize("url", ["mongodb://h/?tls=true&ssl=false", "mysql://h/d?ssl-mode=REQUIRED&ssl_mode=DISABLED"])
def test_two_names_of_an_option_must_have_one_value(datastore, url):
    with pytest.raises(ConfigError, match="has an option twice, by two of its names, with two values"):
        datastore(url=url)


@pytest.mark.parametrize("url", ["mysql://rel%2Fa.sock/d", "postgresql://rel%2Fa.sock/d", "redis://rel%2Fa.sock"])
def test_other_engines_have_no_relative_sockets(datastore, url):
    with pytest.raises(ConfigError, match="is no socket's path"):
        datastore(url=url)


# https://learn.microsoft.com/dotnet/standard/data/sqlite/connection-strings and https://www.sqlite.org/uri.html
@pytest.mark.filterwarnings("ignore:Selection of the SingletonThreadPool")
@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"connection_string": "DataSource=file::memory:?cache=shared"}, "file::memory:?cache=shared"),
        ({"connection_string": "Data Source=file:a?mode=memory"}, "file:a?mode=memory"),
        ({"connection_string": "Data Source=a;Mode=Memory;Cache=Shared"}, "file:a?mode=memory&cache=shared"),
        ({"connection_string": "Filename=a b.db;Mode=ReadOnly"}, "file:a%20b.db?mode=ro"),
        ({"connection_string": "Data Source=a.db;Mode=ReadWriteCreate;Cache=Shared"}, "a.db"),
        ({"connection_string": "Data Source=:memory:"}, ":memory:"),
        ({"url": "sqlite:///file:a?mode=memory&cache=shared&uri=true"}, "file:a?mode=memory&cache=shared"),
        ({"type": "sqlite", "name": "file:a?mode=memory"}, "file:a?mode=memory"),
    ],
)
def test_a_uri_of_sqlite_is_opened_as_one(datastore, entry, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.db").touch()
    db = datastore(**entry)
    assert db.name == name
    assert datastore(url=db.url).name == name
    assert db.for_driver("sqlite3").get("uri", False) is name.startswith("file:")  # some builds need no `uri`
    sqlite3.connect(**db.for_driver("sqlite3")).execute("SELECT 1").connection.close()
    engine = create_engine(**db.for_driver("sqlalchemy"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()
    assert {path.name for path in tmp_path.iterdir()} <= {"a b.db", "a.db"}


@pytest.mark.parametrize("text", ["Host=h;Password=a;b=c", "Endpoint=http://h;Password=a;b=c", "Host=h;a~b=c"])
def test_what_may_be_a_part_of_a_password_is_no_key(datastore, text):
    with pytest.raises(ConfigError, match="a value with ';' must be in quotes"):
        datastore(connection_string=text)
