"""What the parsers of other libraries read in URLs and connection strings: values that drivers get."""

from __future__ import annotations

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ArchitectError, ConfigError, DriverError
from architect_datastore.kit import read_connection_string

CONNINFO = {"host": "h", "port": 5432, "user": "u"}


# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host=h user=u", CONNINFO),
        ("  host = h\n\tuser = 'u'  ", CONNINFO),
        (r"host=h user=u password='it\'s; a \\'", {**CONNINFO, "password": "it's; a \\"}),
        (r"host=h user=u password=a\ b\'", {**CONNINFO, "password": "a b'"}),
        ("host=h user=u password=a'b", {**CONNINFO, "password": "a'b"}),
        ("host=h user=u password='é=x'", {**CONNINFO, "password": "é=x"}),
        ("host=a,b port=1,2 dbname=d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("dbname=d", {"dbname": "d"}),
        ("service=mine", {"service": "mine"}),
        ("host=/run/pg dbname=d", {"host": "/run/pg", "port": 5432, "dbname": "d"}),
        (
            "hostaddr=10.0.0.1 host=h sslmode=require",
            {"host": "h", "port": 5432, "hostaddr": "10.0.0.1", "sslmode": "require"},
        ),
        ("host=h options='-c geqo=off -c a=b'", {"host": "h", "port": 5432, "options": "-c geqo=off -c a=b"}),
    ],
)
def test_keywords_and_values_of_libpq_are_a_connection_string(text, expected):
    db = credentials(connection_string=text)
    assert (db.engine, db.for_driver("psycopg")) == ("postgres", expected)
    assert credentials(type="postgres", url=db.url).for_driver("psycopg") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Host=h", {"host": "h"}),
        ("host=h", {"host": "h"}),
        ("host=h; port=1; password=p", {"host": "h", "port": 1, "password": "p"}),
        ("Host=h;Application Name=a b", {"host": "h", "options": {"application_name": "a b"}}),
    ],
)
def test_connection_strings_of_dotnet_are_none_of_libpq(text, expected):
    assert read_connection_string(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "host=h user=u password=can;ary",
        "host=/run/pg ssl=true password=canary",
        "host=/run/pg sslmode = require canary=x",
        "host='h' user='canary",
        "host=h user=u canary",
    ],
)
def test_what_is_a_connection_string_of_none_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        credentials(type="postgres", connection_string=text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host=h sslmode=canary", "primary_db.connection_string.sslmode: input should be 'disable'"),
        ("host=h connect_timeout=canary", "primary_db.connection_string.connect_timeout: input should be a valid"),
        ("host='canary canary' user=u", "primary_db.connection_string.host: the host is no host name"),
        ("host=canary,b port=1,2,3", "primary_db.connection_string: it must name one port, or as many as hosts"),
    ],
)
def test_an_error_names_the_keyword_of_libpq(text, expected):
    with pytest.raises(ConfigError) as caught:
        credentials(connection_string=text)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "driver", "expected"),
    [
        # SQLAlchemy: dialects/postgresql, "Specifying multiple fallback hosts"
        ("postgresql+psycopg://u@/d?host=a:1&host=b:2", "psycopg", {"host": "a,b", "port": "1,2"}),
        ("postgresql+psycopg://u@/d?host=a&host=b", "psycopg", {"host": "a,b", "port": "5432,5432"}),
        ("postgresql+psycopg://u@/d?host=a:1", "psycopg", {"host": "a", "port": 1}),
        ("postgresql+asyncpg://u@/d?host=a:1&host=[::1]:2", "asyncpg", {"host": ["a", "::1"], "port": [1, 2]}),
        # libpq: ports belong to hosts by position
        ("postgresql://a:1,b:2/d?host=x,y", "psycopg", {"host": "x,y", "port": "1,2"}),
        ("postgresql://:5433/d?host=a,b&port=1,", "psycopg", {"host": "a,b", "port": "1,5432"}),
        ("postgresql://a:1/d?host=b", "psycopg", {"host": "b", "port": 1}),
        # asyncpg: `connect`
        ("postgresql://h?database=d", "asyncpg", {"database": "d", "dsn": None}),
        ("postgresql+asyncpg://h/d?timeout=2.5", "asyncpg", {"timeout": 2.5, "dsn": None}),
        # dj-database-url: currentSchema
        ("postgres://h/d?currentSchema=a", "psycopg", {"options": "-c search_path=a"}),
        (
            "postgres://h/d?currentSchema=a,b-c&options=-cgeqo=off",
            "psycopg",
            {"options": "-cgeqo=off -c search_path=a,b-c"},
        ),
        # JDBC: targetServerType, which a broker of Cloud Foundry writes
        ("postgres://h/d?targetServerType=primary", "psycopg", {"target_session_attrs": "primary"}),
        ("postgres://a,b/d?targetServerType=preferSecondary", "psycopg", {"target_session_attrs": "prefer-standby"}),
        (
            "postgres://h/d?targetServerType=any&target_session_attrs=standby",
            "psycopg",
            {"target_session_attrs": "standby"},
        ),
        ("postgres://h/d?targetServerType=master", "asyncpg", {"dsn": "postgresql:///?target_session_attrs=primary"}),
        # django-environ: settings of Django
        (
            "postgres://h/d?conn_max_age=600&sslmode=require",
            "django",
            {"CONN_MAX_AGE": 600, "OPTIONS": {"sslmode": "require"}},
        ),
        (
            "mysql://h/d?CONN_MAX_AGE=none&atomic_requests=true",
            "django",
            {"CONN_MAX_AGE": None, "ATOMIC_REQUESTS": True},
        ),
        # mysqlclient, PyMySQL and aiomysql: `connect`
        *(
            (
                "mysql://h/d?local_infile=0&sql_mode=ANSI&use_unicode=1",
                driver,
                {"local_infile": False, "sql_mode": "ANSI", "use_unicode": True},
            )
            for driver in ("pymysql", "mysqlclient", "aiomysql")
        ),
        # redis-py: `from_url`
        ("redis://h?username=u&password=p%2F", "redis", {"username": "u", "password": "p/"}),
        ("redis://h?lib_name=x&socket_read_size=9", "redis", {"lib_name": "x", "socket_read_size": 9}),
        (
            "rediss://h?ssl_min_version=771&ssl_ciphers=x",
            "redis",
            {"ssl_min_version": 771, "ssl_ciphers": "x", "ssl": True},
        ),
        # aio-pika: `connect`
        ("amqp://h?name=x&timeout=5", "aio-pika", {"url": "amqp://h:5672/%2F?name=x&timeout=5"}),
        ("amqp://h?auth=external", "aio-pika", {"url": "amqp://h:5672/%2F?auth=external"}),
        # clickhouse-connect: `get_client`
        (
            "clickhousedb://h?compress=lz4&query_limit=5&client_name=x",
            "clickhouse-connect",
            {"compress": "lz4", "query_limit": 5, "client_name": "x"},
        ),
        (
            "clickhouse://h?session_id=s&send_receive_timeout=9",
            "clickhouse-connect",
            {"session_id": "s", "send_receive_timeout": 9},
        ),
        # elasticsearch and opensearch-py: a password without a user
        ("http://:p@h:9200", "elasticsearch", {"basic_auth": ("", "p")}),
        ("http://:p@h:9200", "opensearch-py", {"http_auth": ("", "p")}),
        # SQLAlchemy: connectors/pyodbc
        ("mssql+pyodbc://h/d", "pyodbc", {"trusted_connection": "{yes}"}),
        (
            "mssql+pyodbc://h/d?Trusted_Connection=no",
            "pyodbc",
            {"trusted_connection": None, "Trusted_Connection": "{no}"},
        ),
        ("mssql+pyodbc://u:p@h/d", "pyodbc", {"trusted_connection": None}),
        ("mssql+pyodbc://h/d?authentication=ActiveDirectoryMsi", "pyodbc", {"trusted_connection": None}),
        # SQLAlchemy: dialects/mssql, "Pass through exact Pyodbc string"
        (
            "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BFreeTDS%7D%3BSERVER%3Dtcp%3Ah%2C1434%3BDATABASE%3Dd%3BUID%3Du%3BPWD%3D%7Bp%3B%7D%7Dw%7D%3B",
            "pyodbc",
            {"driver": "{FreeTDS}", "server": "{h,1434}", "database": "{d}", "uid": "{u}", "pwd": "{p;}}w}"},
        ),
        (
            "mssql+pyodbc:///?odbc_connect=Server=h;Database=d;Trusted_Connection=yes;Encrypt=yes;TrustServerCertificate=no",
            "pyodbc",
            {"server": "{h,1433}", "Trusted_Connection": "{yes}", "encrypt": "{yes}", "trustservercertificate": "{no}"},
        ),
        (
            "mssql+pyodbc:///?odbc_connect=server=h\\I;uid=u;pwd=a+b%2Bc;MARS_Connection=yes",
            "pyodbc",
            {"server": "{h\\I}", "uid": "{u}", "pwd": "{a b+c}", "MARS_Connection": "{yes}"},
        ),
        (
            "mssql+pyodbc:///?odbc_connect=DSN=x;UID=u;DATABASE=d",
            "pyodbc",
            {"dsn": "{x}", "uid": "{u}", "database": "{d}"},
        ),
        ("mssql+pymssql://u:p@[::1]:1/d", "sqlalchemy+pymssql", {"connect_args": {"server": "::1", "port": "1"}}),
        # dj-database-url and django-environ
        ("sqlite://:memory:", "sqlite3", {"database": ":memory:"}),
        # SQLAlchemy: dialects/sqlite, "Threading/Pooling Behavior"; Django: "Database is locked errors"
        ("sqlite:///a.db?timeout=20", "sqlite3", {"database": "a.db", "timeout": 20.0}),
        ("sqlite:///a.db?timeout=20&isolation_level=IMMEDIATE", "aiosqlite", {"isolation_level": "IMMEDIATE"}),
        ("sqlite:///a.db?timeout=20", "django", {"NAME": "a.db", "OPTIONS": {"timeout": 20.0}}),
        ("sqlite:///a.db", "django", {"OPTIONS": None}),
        ("sqlite://?check_same_thread=false", "sqlite3", {"database": ":memory:", "check_same_thread": False}),
        ("sqlite:///a.db?cached_statements=9", "sqlalchemy", {"connect_args": {"cached_statements": 9}}),
        (
            "sqlite:///file:a%20b?mode=ro&uri=true&timeout=1",
            "sqlite3",
            {"database": "file:a%20b?mode=ro", "uri": True, "timeout": 1.0},
        ),
    ],
)
def test_a_url_means_what_the_peer_reads_in_it(url, driver, expected):
    engines = {"http": "elasticsearch"}
    scheme = url.partition(":")[0]
    entry = {"type": engines[scheme]} if scheme in engines else {}
    arguments = credentials(**entry, url=url).for_driver(driver)
    assert {key: arguments.get(key) for key in expected} == expected


def test_aio_pika_s_switch_for_certificates_is_one_of_tls():
    assert credentials(url="amqps://h?no_verify_ssl=1").options == {"sslmode": "require"}
    assert credentials(url="amqps://h?no_verify_ssl=0&cafile=/ca.pem").options == {
        "sslmode": "verify-full",
        "ca": "/ca.pem",
    }
    with pytest.raises(ConfigError, match="has options of TLS, and a scheme without"):
        credentials(url="amqp://h?no_verify_ssl=1")


@pytest.mark.parametrize(
    ("url", "driver", "expected"),
    [
        ("redis://h?ssl_min_version=771", "redis", "has options of TLS, and a scheme without"),
        ("redis://h?ssl_ciphers=canary", "redis", "has options of TLS, and a scheme without"),
        ("postgresql://a:1,b:2/d?host=c", "psycopg", "it must name one port, or as many as hosts"),
        ("postgresql://h/d?conn_max_age=600", "psycopg", "only Django has it"),
        ("postgresql://h/d?timeout=1", "psycopg", "only asyncpg has it"),
        ("postgresql://h/d?conn_max_age=canary", "django", "needs a number, true, false or none as CONN_MAX_AGE"),
        ("postgresql://h/d?currentSchema=canary'x", "psycopg", "has a search path with other than plain names"),
        ("postgresql://h/d?user=a&user=canary", "psycopg", "is there twice"),
        ("mysql://h/d?unix_socket=/a&unix_socket=/canary", "pymysql", "twice"),
        ("sqlite:///a?b.db", "sqlite3", "with '?' and '#' percent-encoded"),
        ("sqlite:///a.db?timeout=canary", "sqlite3", "primary_db.url.timeout: input should be a valid number"),
        ("sqlite:///a.db?timeout=1#canary", "sqlite3", "with '?' and '#' percent-encoded"),
        ("mssql+pyodbc:///?odbc_connect=server=h;pwd={canary", "pyodbc", "pair 2 of `odbc_connect` is malformed"),
        ("mssql+pyodbc:///?odbc_connect=server=h;canary", "pyodbc", "pair 2 of `odbc_connect` is malformed"),
        ("mssql+pyodbc:///?odbc_connect=uid=canary", "pyodbc", "names no host"),
        ("mssql+pyodbc:///?odbc_connect=server=h;canary=1&Encrypt=no", "pyodbc", "and a host or another option beside"),
        ("mssql+pyodbc://canary/?odbc_connect=server=h", "pyodbc", "and a host or another option beside"),
        (
            "mssql+pyodbc:///?odbc_connect=server=h;Encrypt=canary",
            "pyodbc",
            "a value of Encrypt that is neither on nor",
        ),
        ("amqp://h?name=canary", "pika", "does not support the option 'name'"),
    ],
)
def test_what_a_peer_reads_and_we_cannot_has_a_reason(url, driver, expected):
    with pytest.raises((ConfigError, DriverError)) as caught:
        credentials(url=url).for_driver(driver)
    assert isinstance(caught.value, ArchitectError)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)
