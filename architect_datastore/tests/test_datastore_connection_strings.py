"""The connection strings of .NET, which Aspire hands out, are read as .NET reads them."""

from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from architect_core.exceptions import ConfigError
from architect_datastore.kit.connection_string import read_connection_string, split_connection_string


@pytest.mark.parametrize(
    ("text", "engine", "url"),
    [
        (
            "Host=localhost;Port=54321;Username=postgres;Password=p@ss;Database=orders",
            "postgres",
            "postgresql://postgres:p%40ss@localhost:54321/orders",
        ),
        (
            "Host=/run/pg;Username=u;SSL Mode=VerifyFull;Root Certificate=/ca.pem;Timeout=5",
            "postgres",
            "postgresql://u@/?port=5432&host=%2Frun%2Fpg&sslmode=verify-full&sslrootcert=%2Fca.pem&connect_timeout=5",
        ),
        (
            "Host=a:1,b,[::1]:3;Username=u;Target Session Attributes=any",
            "postgres",
            "postgresql://u@a:1,b:5432,[::1]:3/?target_session_attrs=any",
        ),
        (
            "Server=h;User ID=u;Password=p;SSL Mode=Require;Trust Server Certificate=true",
            "postgres",
            "postgresql://u:p@h:5432/?sslmode=require",
        ),
        (
            "Server=h;Port=5433;Database=d;User Id=u;Password=p;Trust Server Certificate=true",
            "postgres",
            "postgresql://u:p@h:5433/d?sslmode=require",
        ),
        ("Server=h;Port=1;Initial Catalog=d;User Id=u;Encrypt=true", "generic", None),
        # ODBC, as the portal of Azure shows it
        (
            "Driver={ODBC Driver 18 for SQL Server};Server=tcp:h,1433;Database=d;Uid=u;Pwd={p;w};Encrypt=yes;"
            "TrustServerCertificate=no;Connection Timeout=30;",
            "sqlserver",
            "mssql://u:p%3Bw@h:1433/d?Encrypt=yes&driver=ODBC%20Driver%2018%20for%20SQL%20Server&LoginTimeout=30",
        ),
        ("SERVER=h\\I;UID=u;DRIVER=FreeTDS", "sqlserver", "mssql://u@h/?driver=FreeTDS&instance=I"),
        ("Data Source=tcp:foo,1433;Database=x", "sqlserver", "mssql://foo:1433/x"),
        (
            "Host=h;Username=u;Search Path=shop, public",
            "postgres",
            "postgresql://u@h:5432/?options=-csearch_path%3Dshop%2Cpublic",
        ),
        ("Server=h;Port=1;Uid=u;AllowPublicKeyRetrieval=true", "mysql", "mysql://u@h:1/"),
        ("cache:1,ssl=true,sslprotocols=tls12", "redis", "rediss://cache:1/0"),
        ("Data Source=shop.db;Cache=Shared;Mode=ReadWriteCreate", "sqlite", "sqlite:///shop.db"),
        ("Host=h;Username=u;Timeout=0", "postgres", "postgresql://u@h:5432/"),
        ("Server=localhost;Port=3306;User ID=root;Password=p;Database=n", "mysql", "mysql://root:p@localhost:3306/n"),
        ("Server=h;Port=3306;Uid=u;Pwd=p;SslMode=Required", "mysql", "mysql://u:p@h:3306/?ssl-mode=REQUIRED"),
        (
            "Server=tcp:127.0.0.1,14330;User ID=sa;Password=p;TrustServerCertificate=true;Initial Catalog=n",
            "sqlserver",
            "mssql://sa:p@127.0.0.1:14330/n?Encrypt=yes&TrustServerCertificate=yes",
        ),
        ("Data Source=.;User ID=sa;Encrypt=False;Database=n", "sqlserver", "mssql://sa@localhost:1433/n?Encrypt=no"),
        (
            "Server=h;User ID=sa;Encrypt=Mandatory;MultipleActiveResultSets=True;Application Name=a b",
            "sqlserver",
            "mssql://sa@h:1433/?Encrypt=yes&APP=a%20b",
        ),
        (
            "cache:6380,password=p=,ssl=True,abortConnect=False,defaultDatabase=2",
            "redis",
            "rediss://:p%3D@cache:6380/2",
        ),
        ("cache,ssl=true", "redis", "rediss://cache:6380/0"),
        ("cache,ssl=false", "redis", "redis://cache:6379/0"),
        ("[::1]:6379,user=u,password=p;w", "redis", "redis://u:p%3Bw@[::1]:6379/0"),
        ("Endpoint=http://minio:9000;AccessKey=a;SecretKey=s", "s3", "s3://a:s@minio:9000/?sslmode=disable"),
        (
            "Host=ch;Protocol=https;Port=8443;Username=u;Password=p;Database=n",
            "clickhouse",
            "clickhouse://u:p@ch:8443/n?secure=true",
        ),
        ("Host=ch;Protocol=http;Username=u", "clickhouse", "clickhouse://u@ch:8123/?secure=false"),
        ("Data Source=shop.db;Cache=Shared", "sqlite", "sqlite:///shop.db"),
        ("mongodb://u:p@a,b/n?replicaSet=x", "mongodb", "mongodb://u:p@a:27017,b:27017/n?replicaSet=x"),
        ("  amqp://u:p@h:5672 ", "rabbitmq", "amqp://u:p@h:5672/%2F"),
        ("unix:///run/r.sock?db=1", "redis", "unix:///run/r.sock?db=1"),
        ("redis+unix:///run/r.sock?db=1", "redis", "unix:///run/r.sock?db=1"),
        ("sqlite:///shop.db", "sqlite", "sqlite:///shop.db"),
    ],
)
def test_the_strings_that_aspire_makes_tell_the_engine_and_all_of_the_login(datastore, text, engine, url):
    db = datastore(connection_string=text)
    assert db.engine == engine
    assert db.url == url
    assert datastore(type=engine, url=db.url).url == db.url
    # what a source makes of it
    entry = json.loads(json.dumps(read_connection_string(text)))
    assert datastore(**entry).url == db.url


def test_the_type_of_the_entry_wins_and_so_do_its_fields(datastore):
    text = "Server=h;User ID=u;Password=p;SSL Mode=Required"
    db = datastore(type="mysql", connection_string=text, port=1, password="q", options={"sslmode": "verify-full"})
    assert db.url == "mysql://u:q@h:1/?ssl-mode=VERIFY_IDENTITY"
    assert "connection_string" not in db


def test_a_host_alone_is_what_the_entry_says_that_it_is(datastore):
    assert datastore(type="redis", connection_string="cache:1").url == "redis://cache:1/0"
    assert datastore(connection_string="cache:1").engine == "generic"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=b", [("a", "b")]),
        (" a = b ; ; c=d=e ;", [("a", "b"), ("c", "d=e")]),
        ("a==b=c", [("a=b", "c")]),
        ("a='b;''c'", [("a", "b;'c")]),
        ('a= "b;""c" ; d=e', [("a", 'b;"c'), ("d", "e")]),
        ("a=b'c\"d;e=", [("a", "b'c\"d"), ("e", "")]),
        ("a=' b '", [("a", " b ")]),
        ("a=''", [("a", "")]),
        ("", []),
    ],
)
def test_values_are_quoted_as_in_ado_net(text, pairs):
    assert split_connection_string(text) == pairs


@pytest.mark.parametrize(
    "text", ["canary", "=canary", "a=b;canary", "a='canary", "a='b' canary;c=d", "a=canary'", 'a=b;c="can"ary']
)
def test_what_ado_net_refuses_is_refused(text):
    with pytest.raises(ValueError, match=r"^(pair|the value of pair) \d") as caught:
        split_connection_string(text)
    assert "canary" not in str(caught.value)


keywords = st.text(min_size=1).filter(lambda word: word.strip() == word and not set(word) & set(";\0"))


@given(st.lists(st.tuples(keywords, st.text(), st.sampled_from("'\""))))
def test_whatever_is_quoted_is_read_back(pairs):
    text = ";".join(
        f"{key.replace('=', '==')}={quote}{value.replace(quote, quote * 2)}{quote}" for key, value, quote in pairs
    )
    assert split_connection_string(text) == [(key, value) for key, value, _ in pairs]


@given(st.text() | st.text(alphabet="=;,'\" ab:h1"))
def test_any_text_is_an_entry_or_a_value_error(text):
    try:
        entry = read_connection_string(text)
    except ValueError as problem:
        assert str(problem)  # noqa: PT017 - either outcome is right, but an error must say something
    else:
        assert {"host", "hosts", "url"} & set(entry) or entry["type"] == "sqlite"


def test_a_long_text_is_read_at_once():
    for part in (" ", "=", ";", "'", '"', "a=", "a=';", ",", "==", "a==", "\0"):
        try:
            read_connection_string(part * 100_000)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"type": "postgres", "connection_string": "Host=h;Password=a;canary=b"},
            "pair 3 has a keyword that is not known",
        ),
        ({"url": "jdbc:postgresql://h/n?user=canary"}, ".url: this is a URL of JDBC; write engine://"),
        ({"url": "jdbc:mysql://h/n?user=canary", "type": "mysql"}, ".url: this is a URL of JDBC; write engine://"),
        ({"connection_string": "jdbc:postgresql://h/n?user=canary"}, ".connection_string: this is a URL of JDBC"),
        ({"type": "postgres", "connection_string": "Host=h;canary=b"}, "what only .NET's driver knows must be removed"),
        ({"type": "postgres", "connection_string": "Host=h;Search Path='a;canary'"}, "other than plain names"),
        ({"type": "sqlite", "connection_string": "Data Source=canary;Mode=Other"}, "keyword that is not known"),
        ({"type": "redis", "connection_string": "h:1,ssl=true,sslHost=canary"}, "keyword that is not known"),
        ({"type": "postgres", "connection_string": "Password=canary"}, "names no host"),
        ({"type": "postgres", "connection_string": "Host=h;Port=canary"}, "a port is a number from 1 to 65535"),
        ({"type": "postgres", "connection_string": "Host=h;SSL Mode=canary"}, "has an unknown SSL mode"),
        ({"type": "postgres", "connection_string": "Host=h\\canary"}, ".connection_string.Host: unknown key"),
        ({"type": "postgres", "connection_string": "Host=h;Timeout=canary"}, ".connection_string.Timeout: input"),
        ({"type": "sqlserver", "connection_string": "Server=h;Encrypt=canary"}, "neither on nor off"),
        (
            {"connection_string": "Driver={SQL Server};Server=h;Pwd={canary"},
            "connection_string: pair 3 of `odbc_connect`",
        ),
        (
            {"type": "redis", "connection_string": "h:1,password=a,canary"},
            ".connection_string: part 3 follows a password, which must have no comma; write hosts first",
        ),
        ({"type": "redis", "connection_string": "h:1,canary=a"}, "part 2 has a keyword that is not known"),
        (
            {"type": "redis", "connection_string": "Host=h;Application Name=canary"},
            ".connection_string.Application Name: unknown key",
        ),
        (
            {"type": "sqlite", "connection_string": "Data Source=a;Password=canary"},
            "must have the form Data Source=path",
        ),
        ({"type": "sqlite", "connection_string": "canary"}, ".connection_string: "),
        ({"type": "postgres", "connection_string": ["canary"]}, ".connection_string: must be text"),
        (
            {"type": "postgres", "connection_string": "Host=canary", "url": "postgresql://h"},
            "is set together with `url`",
        ),
        (
            {"type": "sqlite", "connection_string": "Data Source=canary", "url": "sqlite://"},
            "is set together with `url`",
        ),
        ({"connection_string": "postgresql://u:canary/x@h/n"}, ".connection_string: "),
        ({"connection_string": "s3://mybucket", "type": "s3"}, ".connection_string: may name a bucket or a host"),
        ({"connection_string": "http://h", "type": "elasticsearch", "name": "canary"}, ".name: is not used"),
    ],
)
def test_the_message_for_a_malformed_string_does_not_have_the_value(datastore, entry, expected):
    with pytest.raises(ConfigError) as caught:
        datastore(**entry)
    assert expected in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("Server=h;Port=5432;User Id=u;Password=p;Database=d", "generic"),  # Npgsql has these keywords, too
        ("Server=h;Port=1;Uid=u;Pwd=p;Database=d", "generic"),  # likewise
        ("Server=h;Uid=u;Pwd=p;Database=d", "generic"),  # so have MySqlConnector and SqlClient
        ("Server=h;User Id=u;Password=p;Database=d", "generic"),
        ("Server=h;Port=3306;User Id=u;Password=p;Database=d", "mysql"),  # the port is MySQL's
        ("Server=h;Uid=u;AllowUserVariables=true", "mysql"),  # MySqlConnector's own
        ("Host=h;Port=1;Username=u;Password=p", "postgres"),
    ],
)
def test_an_engine_is_not_guessed_from_keywords_that_several_engines_have(datastore, text, engine):
    db = datastore(connection_string=text)
    assert (db.engine, db.host, db.username) == (engine, "h", "u")
    if engine == "generic":
        with pytest.raises(LookupError, match="State the engine as `type`"):
            db.for_driver("pymysql")
        assert datastore(type="mysql", connection_string=text).for_driver("pymysql")["user"] == "u"
