"""`for_driver` gives a driver its own arguments, tells what it cannot give, and imports nothing."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import pika
import pytest
import sqlalchemy

from architect_core.exceptions import DriverError, UnknownDriverError

TLS = {"sslmode": "verify-full", "ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}
LOGIN = {"username": "u", "password": "p"}


@pytest.mark.parametrize(
    ("engine", "driver", "options", "expected"),
    [
        (
            "postgres",
            "psycopg",
            TLS,
            {
                "host": "h",
                "port": 5432,
                "user": "u",
                "password": "p",
                "dbname": "n",
                "sslmode": "verify-full",
                "sslrootcert": "/ca.pem",
                "sslcert": "/c.pem",
                "sslkey": "/k.pem",
            },
        ),
        (
            "postgres",
            "asyncpg",
            {"sslmode": "require", "connect_timeout": 3},
            {
                "host": "h",
                "port": 5432,
                "user": "u",
                "password": "p",
                "database": "n",
                "timeout": 3.0,
                "dsn": "postgresql:///?sslmode=require",
            },
        ),
        (
            "postgres",
            "sqlalchemy+psycopg",
            {"sslmode": "require"},
            {"url": "postgresql+psycopg://u:p@h:5432/n", "connect_args": {"sslmode": "require"}},
        ),
        (
            "postgres",
            "django",
            {"sslmode": "require"},
            {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": "h",
                "PORT": 5432,
                "USER": "u",
                "PASSWORD": "p",
                "NAME": "n",
                "OPTIONS": {"sslmode": "require"},
            },
        ),
        (
            "mysql",
            "pymysql",
            {"sslmode": "disable", "charset": "utf8mb4"},
            {
                "host": "h",
                "port": 3306,
                "user": "u",
                "password": "p",
                "database": "n",
                "charset": "utf8mb4",
                "ssl_disabled": True,
            },
        ),
        (
            "mysql",
            "MySQLdb",
            TLS,
            {
                "host": "h",
                "port": 3306,
                "user": "u",
                "password": "p",
                "database": "n",
                "ssl_mode": "VERIFY_IDENTITY",
                "ssl": {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"},
            },
        ),
        (
            "mysql",
            "sqlalchemy",
            {"sslmode": "require"},
            {"url": "mysql+mysqldb://u:p@h:3306/n", "connect_args": {"ssl_mode": "REQUIRED"}},
        ),
        ("mariadb", "sqlalchemy+aiomysql", {}, {"url": "mysql+aiomysql://u:p@h:3306/n"}),
        (
            "mariadb",
            "django",
            {"sslmode": "verify-ca", "ca": "/ca.pem"},
            {
                "ENGINE": "django.db.backends.mysql",
                "HOST": "h",
                "PORT": 3306,
                "USER": "u",
                "PASSWORD": "p",
                "NAME": "n",
                "OPTIONS": {"ssl_mode": "VERIFY_CA", "ssl": {"ca": "/ca.pem"}},
            },
        ),
        (
            "redis",
            "redis",
            TLS,
            {
                "host": "h",
                "port": 6379,
                "username": "u",
                "password": "p",
                "ssl": True,
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                "ssl_ca_certs": "/ca.pem",
                "ssl_certfile": "/c.pem",
                "ssl_keyfile": "/k.pem",
            },
        ),
        (
            "mongodb",
            "pymongo",
            {"sslmode": "require"},
            {"host": "mongodb://u:p@h:27017/n?tls=true&tlsAllowInvalidCertificates=true"},
        ),
        ("mongodb", "motor", {"auth_source": "admin"}, {"host": "mongodb://u:p@h:27017/n?authSource=admin"}),
        (
            "sqlserver",
            "pymssql",
            {"sslmode": "require", "connect_timeout": 3},
            {
                "server": "h",
                "port": "1433",
                "user": "u",
                "password": "p",
                "database": "n",
                "encryption": "require",
                "login_timeout": 3,
            },
        ),
        (
            "sqlserver",
            "pyodbc",
            {"sslmode": "verify-full", "odbc_driver": "FreeTDS"},
            {
                "driver": "{FreeTDS}",
                "server": "{h,1433}",
                "database": "{n}",
                "uid": "{u}",
                "pwd": "{p}",
                "encrypt": "{yes}",
                "trustservercertificate": "{no}",
            },
        ),
        ("rabbitmq", "pika", {"heartbeat": 5}, {"url": "amqp://u:p@h:5672/n?heartbeat=5"}),
        (
            "rabbitmq",
            "pika",
            TLS,
            {
                "url": "amqps://u:p@h:5671/n?ssl_options=%7B%27ca_certs%27%3A%20%27%2Fca.pem%27%2C%20%27certfile%27%3A%20"
                "%27%2Fc.pem%27%2C%20%27keyfile%27%3A%20%27%2Fk.pem%27%7D"
            },
        ),
        ("rabbitmq", "aio_pika", {}, {"url": "amqp://u:p@h:5672/n"}),
        (
            "s3",
            "boto3",
            {"region": "eu", "session_token": "t", "ca": "/ca.pem"},
            {
                "aws_access_key_id": "u",
                "aws_secret_access_key": "p",
                "aws_session_token": "t",
                "region_name": "eu",
                "verify": "/ca.pem",
                "endpoint_url": "https://h",
            },
        ),
        (
            "minio",
            "boto3",
            {},
            {"aws_access_key_id": "u", "aws_secret_access_key": "p", "endpoint_url": "http://h:9000"},
        ),
        (
            "elasticsearch",
            "elasticsearch",
            TLS,
            {
                "hosts": ["https://h:9200"],
                "basic_auth": ("u", "p"),
                "ca_certs": "/ca.pem",
                "client_cert": "/c.pem",
                "client_key": "/k.pem",
            },
        ),
        (
            "opensearch",
            "opensearch-py",
            {"sslmode": "require"},
            {"hosts": ["https://h:9200"], "http_auth": ("u", "p"), "verify_certs": False},
        ),
        (
            "clickhouse",
            "clickhouse-connect",
            TLS,
            {
                "host": "h",
                "port": 8443,
                "username": "u",
                "password": "p",
                "database": "n",
                "interface": "https",
                "verify": True,
                "ca_cert": "/ca.pem",
                "client_cert": "/c.pem",
                "client_cert_key": "/k.pem",
                "tls_mode": "strict",
            },
        ),
    ],
)
def test_a_driver_gets_its_own_arguments(datastore, engine, driver, options, expected):
    names = {"redis": "0", "elasticsearch": None, "opensearch": None}
    entry: dict[str, Any] = {"type": engine, "host": "h", "name": names.get(engine, "n"), **LOGIN}
    db = datastore(**entry, options=options)
    assert db.for_driver(driver) == expected
    assert pickle.loads(pickle.dumps(db)).for_driver(driver) == expected
    assert type(db.for_driver(driver)) is dict


def test_pika_gets_the_options_that_its_own_urls_have(datastore):
    url = "amqp://h/n?connection_attempts=3&retry_delay=2&socket_timeout=5&frame_max=9000&heartbeat=7"
    parameters = pika.URLParameters(**datastore(url=url).for_driver("pika"))
    assert (parameters.connection_attempts, parameters.retry_delay) == (3, 2)
    assert (parameters.socket_timeout, parameters.frame_max, parameters.heartbeat) == (5, 9000, 7)


def test_odbc_gets_every_value_quoted(datastore):
    db = datastore(type="mssql", host="h", name="n;", username="a;}", password="b;{\"'} ü+%")
    assert db.for_driver("pyodbc")["pwd"] == "{b;{\"'}} ü+%}"
    url = sqlalchemy.make_url(db.for_driver("sqlalchemy")["url"])
    (text,), _ = url.get_dialect()().create_connect_args(url)
    assert text.endswith(";server={h,1433};database={n;};uid={a;}}};pwd={b;{\"'}} ü+%}")


def test_what_is_given_to_a_driver_may_be_changed_without_harm(datastore):
    db = datastore(type="postgres", host="h", options={"sslmode": "require"})
    db.for_driver("psycopg")["host"] = db.options["sslmode"] = "other"
    assert (db.for_driver("psycopg")["host"], db.options) == ("h", {"sslmode": "require"})


def test_the_message_for_an_unknown_driver_lists_the_known_ones(datastore):
    db = datastore(type="mysql", host="h", password="canary")
    with pytest.raises(UnknownDriverError) as caught:
        db.for_driver("pymsql")
    assert str(caught.value).startswith(
        "no driver for the engine mysql named 'pymsql' (did you mean 'pymysql'?); known: aiomysql, django, "
    )
    assert isinstance(caught.value, LookupError)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args
    with pytest.raises(UnknownDriverError, match="none is known"):
        datastore(type="generic", host="h").for_driver("psycopg")
    with pytest.raises(UnknownDriverError):
        db.for_driver(None)


@pytest.mark.parametrize(
    ("entry", "driver", "expected"),
    [
        ({"url": "mysql://h/n?named_pipe=canary"}, "pymysql", "pymysql does not support the option 'named_pipe'"),
        (
            {"url": "postgres://h/?channel_binding=require"},
            "asyncpg",
            "asyncpg does not support the option 'channel_binding' of these credentials; use channel_binding=prefer",
        ),
        ({"url": "postgres://h/?channel_binding=require"}, "sqlalchemy+asyncpg", "'channel_binding'"),
        ({"url": "postgres://h/?gssencmode=require"}, "asyncpg", "'gssencmode'"),
        ({"url": "postgres://h/?require_auth=canary"}, "asyncpg", "'require_auth'"),
        ({"url": "postgres://h/?hostaddr=canary"}, "asyncpg", "'hostaddr' of these credentials; remove it, or use"),
        ({"url": "postgres://h/?pgbouncer=true"}, "asyncpg", "'pgbouncer' of these credentials; only Prisma has it"),
        ({"url": "postgres://h/?pgbouncer=true"}, "psycopg", "psycopg does not support the option 'pgbouncer'"),
        ({"url": "postgres://h/?schema=canary"}, "django", "'schema'"),
        (
            {"url": 'mysql://h/n?ssl={"rejectUnauthorized":true}'},
            "pymysql",
            "pymysql does not support the option 'ssl' of these credentials; use ssl-mode=VERIFY_IDENTITY instead",
        ),
        ({"url": "mysql://h/n?sslaccept=canary"}, "sqlalchemy+aiomysql", "use ssl-mode=VERIFY_IDENTITY"),
        ({"url": "mysql://h/n?useSSL=canary"}, "mysqlclient", "use ssl-mode=VERIFY_IDENTITY"),
        ({"url": "redis://h?canary%20x=1"}, "redis", "does not support the option '<key that is no name>'"),
        ({"type": "mssql", "host": "h", "options": {"sslmode": "verify-full"}}, "pymssql", "only disable, require"),
        ({"url": "amqps://h?verify=verify_none"}, "pika", "pika does not support sslmode require, only verify-full"),
        ({"url": "amqps://h?certfile=/canary"}, "pika", "it needs the option 'ca' too"),
        ({"type": "opensearch", "host": "h", "options": {"api_key": "canary"}}, "opensearch-py", "'api_key'"),
        ({"url": "clickhouse://h?max_threads=canary"}, "clickhouse-connect", "'max_threads'"),
        ({"url": "amqps://h?certfile=/canary"}, "aio-pika", "aio-pika cannot use the files of `certificate` and `key`"),
    ],
)
def test_an_option_that_a_driver_does_not_support_is_an_error(datastore, entry, driver, expected):
    with pytest.raises(DriverError) as caught:
        datastore(**entry).for_driver(driver)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "postgres", "options": {"sslmod": 1}}, "options.sslmod: unknown key (did you mean 'sslmode'?)"),
        (
            {"type": "postgres", "options": {"ca": "system", "sslmode": "require"}},
            "options.sslmode: must be verify-full if `ca` is system",
        ),
        ({"type": "redis", "options": {"sslmode": "prefer"}}, "options.sslmode: input should be 'disable', 'require'"),
        ({"type": "mysql", "options": {"sslmode": "allow"}}, "options.sslmode: input should be 'disable', 'prefer'"),
        ({"type": "mysql", "options": {"ca": ""}}, "options.ca: must be the path of a file"),
        ({"type": "mysql", "options": {"key": "/canary"}}, "options.key: is set without a certificate"),
        ({"type": "mysql", "options": {"sslmode": "require", "ca": "/canary"}}, "options.ca: has no meaning unless"),
        ({"type": "amqp", "options": {"sslmode": "disable", "ca": "/canary"}}, "options.ca: has no meaning if"),
        ({"type": "mongodb", "options": {"key": "/canary"}}, "options.key: unknown key"),
        ({"type": "redis", "host": "/run/s", "options": {"ca": "/canary"}}, "a socket has no TLS"),
        ({"type": "rabbitmq", "options": {"heartbeat": -1}}, "options.heartbeat: input should be greater than"),
        ({"type": "minio", "options": {"certificate": "/canary"}}, "options.certificate: unknown key"),
    ],
)
def test_options_are_checked(datastore, entry, expected):
    with pytest.raises(ValueError, match=r"primary_db") as caught:
        datastore(**{"host": "h", **entry})
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("mode", ["disable", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("engine", ["mysql", "redis", "mongodb", "rabbitmq", "elasticsearch", "clickhouse"])
def test_the_url_has_the_options_of_tls(datastore, engine, mode):
    db = datastore(type=engine, host="h", options={"sslmode": mode})
    again = datastore(type=engine, url=db.url)
    assert again.options == db.options
    assert (again.options.get("sslmode") or "disable") == mode


def test_an_option_of_the_entry_wins_over_one_of_its_url(datastore):
    db = datastore(url="postgresql://h/n?sslmode=disable", options={"sslmode": "require"})
    assert (db.options, db.url) == ({"sslmode": "require"}, "postgresql://h:5432/n?sslmode=require")
    assert db.sslmode == "require"


def test_no_driver_is_imported():
    code = """
import sys
from architect_core.resolver import Resolver
from architect_core.exceptions import DriverError
engines = ["postgres", "mysql", "redis", "mongodb", "mssql", "rabbitmq", "s3", "minio", "elasticsearch"]
engines += ["clickhouse", "sqs"]
before = set(sys.modules)
for engine in engines:
    entry = {"type": engine, "host": "h", "username": "u", "password": "p"}
    db = Resolver({"a": {"datastores": {"d": entry}}}, current_service="a", root="/nowhere").datastore("d")
    for driver in db._drivers:
        db.for_driver(driver)
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    loaded = set(eval(done.stdout))
    assert {name for name in loaded if not name.startswith(("architect", "_"))} <= {
        "pluggy",
        "pydantic",
        "annotated_types",
    }


def test_the_examples_in_the_docstrings_are_true():
    import doctest

    from architect_datastore import arguments, options

    for module in (arguments, options):
        tried = doctest.testmod(module)
        assert (tried.failed, tried.attempted > 0) == (0, True)
