"""A URL means what its engine's documentation says, and what is printed means the same again."""

from __future__ import annotations

import os
import traceback
from typing import Any
from urllib.parse import quote

import pymongo
import pytest
import redis
from datastore_reading import credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from architect_core.exceptions import ArchitectError, ConfigError

# examples for each engine
FEW = 15
MANY = 2_000 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 100

LIBPQ = {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "application_name": "a b"}
REDIS = {"ssl_cert_reqs": "none", "socket_timeout": "2.5", "client_name": "x"}
# engine -> its schemes, whether a URL has several hosts, the options that one may state, the names it may have
ENGINES: dict[str, tuple[list[str], bool, dict[str, str], st.SearchStrategy[str]]] = {}
name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ENGINES["postgres"] = (["postgresql", "postgres", "postgresql+asyncpg"], True, LIBPQ, name)
ENGINES["mysql"] = (["mysql", "mariadb", "mysql+pymysql"], False, {"ssl-mode": "REQUIRED", "charset": "utf8mb4"}, name)
ENGINES["redis"] = (["rediss"], False, REDIS, st.integers(0, 15).map(str))
ENGINES["mongodb"] = (["mongodb"], True, {"tls": "true", "replicaSet": "rs", "w": "majority"}, name)
ENGINES["sqlserver"] = (["mssql", "mssql+pyodbc"], False, {"Encrypt": "yes", "TrustServerCertificate": "yes"}, name)
ENGINES["rabbitmq"] = (
    ["amqps"],
    False,
    {"verify": "verify_none", "heartbeat": "5", "connection_timeout": "1500"},
    name,
)
ENGINES["s3"] = (
    ["s3", "https"],
    False,
    {"region": "eu", "sslmode": "require"},
    name.filter(lambda text: "/" not in text),
)
ENGINES["elasticsearch"] = (["https"], True, {"ca_certs": "/ca.pem", "ssl_assert_hostname": "false"}, name)
ENGINES["clickhouse"] = (["clickhouse", "https"], False, {"secure": "true", "verify": "false"}, name)
ENGINES["generic"] = (["influx", "influx+x"], True, {"a": "b", "c": "d e"}, name)

hosts = st.sampled_from(["db", "db.example", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "a_b-c", "dé"])
places = st.tuples(hosts, st.none() | st.integers(1, 65535)).map(
    lambda place: place[0] if place[1] is None else f"{place[0]}:{place[1]}"
)


@st.composite
def urls(draw: st.DrawFn, engine: str) -> tuple[str, dict[str, str | None]]:
    """A URL of an engine, and the user name, the password and the name that it has."""
    schemes, several, options, names = ENGINES[engine]
    bare = draw(st.sampled_from(["", "!$&'()*+,;=", "~"]))
    login = {"username": draw(st.none() | name), "password": draw(st.none() | st.just("") | name)}
    userinfo = "" if login["username"] is None else quote(login["username"], safe=bare)
    userinfo += "" if login["password"] is None else f":{quote(login['password'], safe=bare)}"
    place = ",".join(draw(st.lists(places, min_size=1, max_size=3 if several else 1)))
    stated = draw(st.none() | names)
    path = "" if stated is None else f"/{quote(stated, safe='')}"
    chosen = draw(st.lists(st.sampled_from(sorted(options)), unique=True))
    query = "&".join(f"{quote(key)}={quote(options[key], safe='')}" for key in chosen)
    at = "@" if userinfo or (engine == "s3") else ""
    url = f"{draw(st.sampled_from(schemes))}://{userinfo}{at}{place}{path}{'?' if query else ''}{query}"
    return url, {**login, "name": stated}


def is_read_and_printed(data: st.DataObject, engine: str) -> None:
    url, stated = data.draw(urls(engine))
    try:
        db = credentials(type=engine, url=url)
    except ConfigError as problem:
        # a bucket or a host
        assert engine == "s3" and "bucket or a host" in str(problem)  # noqa: PT017, PT018 - the one that may be refused
        return
    if engine == "elasticsearch" and stated["name"] is not None:
        stated["name"] = stated["name"].rstrip("/") or None  # a path of the clients' own
    for field, value in stated.items():
        if value is not None:
            assert db[field] == value
    again = credentials(type=engine, url=db.url)
    assert (dict(again), again.url, again.hosts) == (dict(db), db.url, db.hosts)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=FEW)
@given(data=st.data())
def test_a_url_that_is_read_and_printed_means_the_same(engine, data):
    is_read_and_printed(data, engine)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=MANY)
@given(data=st.data())
def test_many_urls_that_are_read_and_printed_mean_the_same(engine, data):
    is_read_and_printed(data, engine)


fields = st.fixed_dictionaries({"username": name, "password": name})


def is_printed_and_read(data: st.DataObject, engine: str) -> None:
    stated = {"host": data.draw(hosts).replace("%25", "%"), **data.draw(fields)}
    if engine != "elasticsearch":
        stated["name"] = data.draw(ENGINES[engine][3])
    db = credentials(type=engine, **stated)
    again = credentials(type=engine, url=db.url)
    for field in (*stated, "port"):
        assert again[field] == db[field]


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "generic"])
@settings(max_examples=FEW)
@given(data=st.data())
def test_fields_that_are_printed_as_a_url_are_the_same_again(engine, data):
    is_printed_and_read(data, engine)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "generic"])
@settings(max_examples=MANY)
@given(data=st.data())
def test_many_fields_that_are_printed_as_a_url_are_the_same_again(engine, data):
    is_printed_and_read(data, engine)


@pytest.mark.parametrize(
    ("url", "host", "expected"),
    [
        ("postgresql://u@%2Frun%2Fpg/n", "/run/pg", "postgresql://u@/n?port=5432&host=%2Frun%2Fpg"),
        ("postgresql://[::1]:/n", "::1", "postgresql://[::1]:5432/n"),
        ("postgresql://h/n/", "h", "postgresql://h:5432/n"),
        ("postgres://[fe80::1%25eth0]/n", "fe80::1%eth0", "postgresql://[fe80::1%25eth0]:5432/n"),
        ("POSTGRESQL+PSYCOPG://h/n?application_name=a+b", "h", "postgresql://h:5432/n?application_name=a%20b"),
        ("postgresql://a:1,b/n", "a", "postgresql://a:1,b:5432/n"),
        ("postgres://h/n?connect_timeout=0", "h", "postgresql://h:5432/n"),
        ("amqp://h/n?connection_timeout=0", "h", "amqp://h:5672/n"),
        ("postgres://h/n?ssl=true", "h", "postgresql://h:5432/n?sslmode=require"),
        ("postgres://h/n?ssl=false", "h", "postgresql://h:5432/n?sslmode=disable"),
        ("postgres://h/n?ssl=true&sslmode=verify-ca", "h", "postgresql://h:5432/n?sslmode=verify-ca"),
        ("postgresql+asyncpg://h/n?ssl=verify-full", "h", "postgresql://h:5432/n?sslmode=verify-full"),
        ("postgresql:///n?host=h&user=u&password=p", "h", "postgresql://u:p@h:5432/n"),
        ("mysql://u@/n?unix_socket=/run/my.sock", "/run/my.sock", "mysql://u@/n?unix_socket=%2Frun%2Fmy.sock"),
        ("mysql://u@%2Frun%2Fmy.sock/n", "/run/my.sock", "mysql://u@/n?unix_socket=%2Frun%2Fmy.sock"),
        ("mysql://h/n?ssl_ca=/ca", "h", "mysql://h:3306/n?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fca"),
        ("mysql://h/n?reconnect=true", "h", "mysql://h:3306/n"),
        ("redis://h?db=4", "h", "redis://h:6379/4"),
        ("redis+socket:///run/r.sock?db=4", "/run/r.sock", "unix:///run/r.sock?db=4"),
        ("unix://u:p@/run/r.sock", "/run/r.sock", "unix://u:p@/run/r.sock?db=0"),
        ("valkeys://:p@h", "h", "rediss://:p@h:6379/0"),
        ("mongodb://a,b:2/?replicaSet=x", "a", "mongodb://a:27017,b:2/?replicaSet=x"),
        ("mongodb+srv://u:p@cluster.example/n", "cluster.example", "mongodb+srv://u:p@cluster.example/n"),
        ("mongodb://%2Ftmp%2Fm.sock/n?ssl=true", "/tmp/m.sock", "mongodb://%2Ftmp%2Fm.sock/n?tls=true"),
        (
            "mongodb://h/?readPreferenceTags=dc:ny&readPreferenceTags=",
            "h",
            "mongodb://h:27017/?readPreferenceTags=dc:ny&readPreferenceTags=",
        ),
        ("sqlserver://u:p@h/n?encrypt=true", "h", "mssql://u:p@h:1433/n?Encrypt=yes"),
        ("amqp://u:p@h", "h", "amqp://u:p@h:5672/%2F"),
        ("amqps://u:p@h/%2Fv", "h", "amqps://u:p@h:5671/%2Fv"),
        ("s3://k:s@h/b", "h", "s3://k:s@h:443/b"),
        ("s3:///b?region=eu", None, "s3:///b?region=eu"),
        ("minio://k:s@h/b", "h", "minio://k:s@h:9000/b"),
        ("elasticsearch://u:p@h/behind/a", "h", "http://u:p@h:9200/behind/a"),
        ("https://u:p@h/behind/a", "h", "https://u:p@h:443/behind/a"),
        ("http://h", "h", "http://h:9200"),
        ("elasticsearch://h/a%2F", "h", "http://h:9200/a"),
        ("clickhouses://h/n", "h", "clickhouse://h:8443/n?secure=true"),
    ],
)
def test_every_form_that_an_engine_documents_is_read(url, host, expected):
    types = {"https": "elasticsearch", "http": "elasticsearch"}
    scheme = url.partition(":")[0]
    db = credentials(**({"type": types[scheme]} if scheme in types else {}), url=url)
    assert (db.host, db.url) == (host, expected)


def test_an_endpoint_with_https_is_where_a_web_server_is():
    assert credentials(type="minio", url="https://k:s@h/b").for_driver("boto3")["endpoint_url"] == "https://h"
    assert credentials(type="minio", url="http://k:s@h/b").port == 9000
    db = credentials(type="opensearch", url="https://a,b:9200")
    assert db.for_driver("opensearch-py")["hosts"] == ["https://a:443", "https://b:9200"]


@pytest.mark.parametrize("engine", ["mysql", "redis", "mongodb"])
def test_a_socket_has_no_port(engine):
    db = credentials(type=engine, host="/run/x.sock", port=3)
    assert (db.port, credentials(url=db.url).host, credentials(url=db.url).url) == (None, "/run/x.sock", db.url)


@pytest.mark.parametrize("stated", [True, False])
def test_redis_py_reads_from_the_url_whether_answers_are_text(stated):
    db = credentials(type="redis", host="h", options={"decode_responses": stated})
    with redis.Redis.from_url(db.url) as client:
        assert bool(client.get_encoder().decode_responses) is stated


def test_mongodb_s_tags_reach_the_driver():
    query = "readPreference=secondary&readPreferenceTags=dc:ny,rack:1&readPreferenceTags="
    for url in (f"mongodb://h/?{query}", f"mongodb://h/?{query.replace(':', '%3A').replace(',', '%2C')}"):
        with pymongo.MongoClient(**credentials(url=url).for_driver("pymongo"), connect=False) as client:
            assert client.read_preference.tag_sets == [{"dc": "ny", "rack": "1"}, {}]


@pytest.mark.parametrize("image", ["mongo:7", "clickhouse/clickhouse-server", "rabbitmq:3-management", "minio/minio"])
def test_an_image_tells_the_engine(image):
    assert credentials(image=image, host="h").url is not None


def test_hosts_can_be_a_list():
    db = credentials(type="postgres", hosts=["a:1", "[::1]"], name="n")
    assert (db.host, db.port, db.hosts) == ("a", 1, [("a", 1), ("::1", 5432)])
    assert credentials(url=db.url).hosts == db.hosts
    assert credentials(type="postgres", host="h").hosts == [("h", 5432)]
    assert credentials(type="sqlite", name="n").hosts == []


@pytest.mark.parametrize(
    ("entry", "hosts"),
    [
        ({"connection_string": "Host=a,b:1;Port=5433;Username=u"}, [("a", 5433), ("b", 1)]),
        ({"type": "postgres", "hosts": ["a", "b:1"], "port": 5433}, [("a", 5433), ("b", 1)]),
        ({"type": "generic", "hosts": ["a", "b:1"], "port": 5433}, [("a", 5433), ("b", 1)]),
        ({"url": "postgresql://u@a:1,b/n"}, [("a", 1), ("b", 5432)]),
        ({"url": "postgresql://u@a:1,b:1/n", "port": 1}, [("a", 1), ("b", 1)]),  # a broker of Cloud Foundry's
        ({"url": "postgresql://u@a:1,b:1/n", "port": 1, "host": "a"}, [("a", 1), ("b", 1)]),
        ({"url": "mongodb://u@a,b/n", "host": "a"}, [("a", 27017), ("b", 27017)]),
        ({"url": "postgresql://u@a:1,b/n?port=5433"}, [("a", 5433), ("b", 5433)]),
        ({"url": "postgresql://u@a,b/n?port=5433,5434"}, [("a", 5433), ("b", 5434)]),
        ({"url": "postgresql://u@/n?host=a,::1&port=1,"}, [("a", 1), ("::1", 5432)]),
        ({"url": "postgresql://u@a,b/n?host=c"}, [("c", 5432)]),
        ({"url": "postgresql://u@a/n?host=b,c&port=1"}, [("b", 1), ("c", 1)]),
        ({"url": "postgresql://u@c/n", "hosts": ["a", "b"]}, [("a", 5432), ("b", 5432)]),
        ({"url": "postgresql://u@a:1,b:2/n", "hosts": ["c", "d"]}, [("c", 5432), ("d", 5432)]),
        ({"url": "mysql://u@/n?unix_socket=/run/a,b.sock"}, [("/run/a,b.sock", None)]),
        ({"url": "mongodb://%2Ftmp%2Fm.sock,b/"}, [("/tmp/m.sock", None), ("b", 27017)]),
    ],
)
def test_no_port_and_no_host_of_several_is_lost(entry, hosts):
    db = credentials(**entry)
    assert (db.hosts, db.host, db.port) == (hosts, *hosts[0])
    if db.url:
        assert credentials(url=db.url).hosts == hosts


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "postgres", "hosts": ["a", "b"], "host": "canary"}, "primary_db.host: is set together with `hosts`"),
        ({"url": "postgresql://a,b/n?port=1,2,3"}, "primary_db.url: it must name one port, or as many as hosts"),
        ({"url": "postgresql://a/n?port=1,2"}, "primary_db.url: it must name one port, or as many as hosts"),
        ({"url": "mysql://a,b/n"}, "primary_db.url: names several hosts, and the drivers of mysql take one"),
        (
            {"url": "postgresql://a,b/n", "host": "canary"},
            "primary_db.host: is set together with several hosts in `url`",
        ),
        ({"url": "postgresql://a,b/n", "port": 1}, "primary_db.port: is set together with several hosts in `url`"),
        ({"url": "postgresql://a:1,b:2/n", "port": 1}, "primary_db.port: is set together with several hosts in `url`"),
        ({"url": "mysql://address=(host=h)(password=canary)/n"}, "primary_db.url: the host is no host name"),
        ({"type": "redis", "host": "h;password=canary"}, "primary_db.host: the host is no host name"),
        ({"type": "postgres", "hosts": ["a", "b;password=canary"]}, "primary_db.hosts: the host is no host name"),
        ({"url": "redis://h%3Bpassword%3Dcanary"}, "primary_db.url: the host is no host name"),
        ({"url": "x://h,password=canary"}, "primary_db.url: the host is no host name"),
        ({"type": "postgres", "hosts": "canary"}, 'primary_db.hosts: must be a list of hosts: ["a:5432", "b:5432"]'),
        ({"type": "postgres", "hosts": ["canary canary", "b"]}, "primary_db.hosts: the host is no host name"),
        ({"url": "postgresql://u:%FFcanary@h/n"}, "what is percent-encoded in the URL is not UTF-8"),
        ({"url": "postgresql://canary%2Fx/n"}, "the host is no host name"),
        ({"url": "postgresql://h/n?ssl=canary"}, "primary_db.url.ssl: input should be 'disable'"),
        ({"url": "postgresql://h/n?ssl=true&sslmode=prefer"}, "asks for TLS with `ssl`, and with `sslmode` does not"),
        ({"url": "postgresql://h/n?sslmode=canary"}, "primary_db.url.sslmode: input should be 'disable'"),
        ({"url": "postgresql://h/n?sslmode=require&sslmode=canary"}, "has an option twice"),
        ({"url": "postgresql://h/n?dbname=a&dbname=canary"}, "is there twice"),
        ({"url": "postgresql://h/n?=canary"}, "has an option without a name"),
        ({"url": "postgresql://u:1@h?canary@h/n"}, "has an option without a name, or with one that is none"),
        (
            {"url": "postgresql://u:12/canary@h/n"},
            "primary_db.url: it has an '@' after a '/' or '?'. Special characters of a name or password must be",
        ),
        (
            {"url": "postgresql://u:/canary@h/n"},
            "primary_db.url: it has an '@' after a '/' or '?'. Special characters of a name or password must be",
        ),
        (
            {"url": "mysql://u:12?canary=@h/n"},
            "primary_db.url: it has an '@' after a '/' or '?'. Special characters of a name or password must be",
        ),
        ({"url": "mssql://h/n;password=canary"}, "it has a ';', which is written %3B"),
        ({"url": "mssql://h;password=canary/n"}, "it has a ';', which is written %3B"),
        ({"url": "mysql://h/n?ssl_ca=/canary&ssl-ca=/canary/b"}, "has an option twice, by two of its names"),
        ({"url": "mongodb+srv://h:1/n"}, "mongodb+srv takes one host and no port"),
        ({"url": "mongodb+srv://a,b/n"}, "mongodb+srv takes one host and no port"),
        ({"url": "mssql://h/canary?database=n"}, "names a database in its query; name it in the path"),
        ({"url": "mssql://h/n?Encrypt=canary"}, "has a value of Encrypt that is neither on nor off; known: yes, no"),
        ({"url": "amqp://h/n?connection_timeout=canary"}, "no number of milliseconds"),
        ({"url": "amqp://h/n?verify=verify_peer"}, "has options of TLS, and a scheme without"),
        ({"url": "redis+sentinel://:canary@h/x"}, "primary_db.url: has a scheme with +sentinel: Sentinels only"),
        (
            {"url": "rediss+cluster://:canary@h"},
            "primary_db.url: has a scheme with +cluster: a cluster needs a client of its own",
        ),
        (
            {"url": "clickhouse+native://u:canary@h"},
            "primary_db.url: has a scheme with +native: ClickHouse is reached over HTTP",
        ),
        ({"type": "postgres", "host": "canary,b"}, "primary_db.host: must be one host; give several as `hosts`"),
        ({"type": "postgres", "host": "@canary"}, "primary_db.host: must be a host alone"),
        ({"type": "s3", "port": 5}, "primary_db.port: is set without `host`"),
        ({"url": "redis://h/canary"}, "primary_db.url: the database must be a number"),
        ({"url": "s3://canary/prefix"}, "may name a bucket or a host; write s3:///bucket"),
        ({"url": "s3://k:s@h/bucket/canary"}, "primary_db.url: the bucket must be a name alone"),
        ({"type": "elasticsearch", "host": "h", "name": "canary"}, "primary_db.name: is not used"),
        (
            {"type": "postgres", "host": "h", "password": "canary\ud800"},
            "primary_db.password: has a character that is no text",
        ),
        ({"type": "sqlite", "name": "canary\ud800"}, "primary_db.name: has a character that is no text"),
        (
            {"type": "amqp", "host": "/canary"},
            "primary_db.host: the host must be a name or an address, not the path of a socket",
        ),
        (
            {"url": "http://%2Fcanary", "type": "s3"},
            "primary_db.url: the host must be a name or an address, not the path of a socket",
        ),
        ({"url": "sqlite:///%FFcanary"}, "is percent-encoded in the URL is not UTF-8"),
        ({"type": "postgres", "host": "h", "options": {"application_name": "canary\ud800"}}, "no text"),
    ],
)
def test_the_message_for_an_impossible_entry_does_not_have_the_value(entry, expected):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert expected in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


anything = st.text(max_size=200)
schemes = st.sampled_from(sorted({scheme for schemes, *_ in ENGINES.values() for scheme in schemes}))
nearly = st.builds("{}://{}".format, schemes, st.text(alphabet="ab:/?#[]@%,&=+\\ \"'2éÿ\0\n", max_size=60))
pairs = st.builds("{}={};{}".format, st.sampled_from(["Host", "Server", "Password", "x"]), anything, anything)
MARK = "s3cr3t~canary"
ALL = [*ENGINES, "sqlite", "minio", None]


def raises_no_secret(data: st.DataObject, engine: str | None) -> None:
    field = data.draw(st.sampled_from(["url", "connection_string", "host", "name", "username", "password"]))
    value = data.draw(anything | nearly | pairs)
    if field in {"url", "connection_string"}:
        at = data.draw(st.integers(0, len(value)))
        value = value[:at] + MARK + value[at:]
    entry: dict[str, Any] = {"host": "h"} if field not in {"url", "connection_string"} else {}
    entry |= {"password": MARK, "type": engine, field: value}
    try:
        db = credentials(**entry)
        for driver in db._drivers:
            try:
                db.for_driver(driver)
            except ArchitectError as problem:
                assert MARK not in str(problem)  # noqa: PT017 - either outcome is right
    except ArchitectError as problem:
        assert MARK not in "".join(traceback.format_exception(problem))  # noqa: PT017 - likewise
    else:
        shown = repr(db)
        assert MARK not in shown or MARK in "".join(str(db.get(key)) for key in ("host", "hosts", "name", "username"))


@pytest.mark.parametrize("engine", ALL)
@settings(max_examples=FEW)
@given(data=st.data())
def test_whatever_is_configured_only_our_errors_are_raised_and_none_has_the_password(engine, data):
    raises_no_secret(data, engine)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ALL)
@settings(max_examples=MANY)
@given(data=st.data())
def test_whatever_much_is_configured_only_our_errors_are_raised_and_none_has_the_password(engine, data):
    raises_no_secret(data, engine)
