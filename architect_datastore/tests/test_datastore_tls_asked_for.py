"""No TLS that is asked for is lost, in a scheme, an option or by a port; and no password of a list of URLs is shown."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from datastore_reading import credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from architect_core.exceptions import ConfigError

REFUSED = None
# a URL -> the URL that means the same, or REFUSED; and who says so
SCHEMES = {
    "redis+tls://:p@h:6380": "rediss://:p@h:6380/0",  # the case reported
    "redis+ssl://:p@h": "rediss://:p@h:6379/0",
    "valkey+tls://:p@h": "rediss://:p@h:6379/0",
    "redis+s://h?ssl_cert_reqs=none": "rediss://h:6379/0?ssl_cert_reqs=none",  # redis-py's option
    "elasticsearch+https://u:p@h:9200": "https://u:p@h:9200",  # elasticsearch-dbapi
    "elasticsearch+http://u:p@h:9200": "http://u:p@h:9200",  # likewise
    "opensearch+https://u:p@h": "https://u:p@h:9200",
    "amqp+ssl://h": "amqps://h:5671/%2F",  # Cloud Foundry's RabbitMQ: the protocol "amqp+ssl"
    "mongodb+tls://h": "mongodb://h:27017/?tls=true",
    "clickhouse+https://h": "clickhouse://h:8443/?secure=true",  # clickhouse-sqlalchemy
    "clickhouse+connect://h": "clickhouse://h:8123/",  # clickhouse-connect
    "postgresql+ssl://h/d": "postgresql://h:5432/d?sslmode=require",  # as libpq's ssl=true
    "mysql+tls://h/d": "mysql://h:3306/d?ssl-mode=VERIFY_IDENTITY",
    "mssql+tls://h/d": "mssql://h:1433/d?Encrypt=yes",
    "s3+https://k:s@h": "s3://k:s@h:443/?sslmode=verify-full",
    "minio+https://k:s@h": "minio://k:s@h:9000/?sslmode=verify-full",
    "minio+http://k:s@h": "minio://k:s@h:9000/?sslmode=disable",
    "postgresql+pg8000://h/d": "postgresql://h:5432/d",  # SQLAlchemy
    "postgresql+psycopg_async://h/d": "postgresql://h:5432/d",  # SQLAlchemy
    "mysql+asyncmy://h/d": "mysql://h:3306/d",  # SQLAlchemy
    "cassandra+tls://h/k": "cassandra://h:9042/k?ssl=true",
    "scylla+ssl://h": "cassandra://h:9042/?ssl=true",
    "kafka+ssl://h:9096": "kafka+ssl://h:9096/",  # Heroku
    "kafka+tls://h": "kafka+ssl://h:9092/",
    "SASL_SSL://u:p@h:1": "kafka+ssl://u:p@h:1/?sasl_mechanism=PLAIN",  # Confluent's console; librdkafka
    "SSL://h:1": "kafka+ssl://h:1/",
    "kafka://u:p@h?security.protocol=SASL_SSL": "kafka+ssl://u:p@h:9092/?sasl_mechanism=PLAIN",  # librdkafka's
    "kafka://h?security_protocol=ssl": "kafka+ssl://h:9092/",  # kafka-python's
    "kafka://h?security.protocol=SSL&ssl.endpoint.identification.algorithm=": (
        "kafka+ssl://h:9092/?ssl.endpoint.identification.algorithm=none"
    ),
    "memcached+tls://h": "memcached://h:11211/?tls=true",
    "memcache://h?use_ssl=1": "memcached://h:11211/?tls=true",
    "mqtts://h": "mqtts://h:8883/",
    "mqtt+ssl://h": "mqtts://h:8883/",
    "mqtt+wss://h/mqtt": "wss://h:443/mqtt",
    "mqtt://h:8883": "mqtts://h:8883/",  # the port of IANA's "secure-mqtt"
    "nats+tls://h": "tls://h:4222/",
    "nats+wss://h": "wss://h:443/",
    "neo4j+tls://h": "neo4j+s://h:7687/",
    "bolt+s://h": "bolt+s://h:7687/",
    "bolt+ssl://h": "bolt+s://h:7687/",
    "neo4j+ssc://h": "neo4j+ssc://h:7687/",  # Neo4j: with any certificate
    "qdrant+https://h": "https://h:6333/",
    "qdrant://:k@h": "https://h:6333/?api_key=k",  # qdrant-client
    "dynamodb+https://k:s@eu-west-1": "dynamodb://k:s@eu-west-1:443/?sslmode=verify-full",
    "cockroachdb+tls://h/d": "cockroachdb://h:26257/d?sslmode=require",
    "redshift+ssl://h/d": "redshift://h:5439/d?sslmode=require",
    "tidb+tls://h/d": "tidb://h:4000/d?ssl-mode=VERIFY_IDENTITY",
    "oracle+tls://h/d": "oracle://h:1521/?service_name=d&protocol=tcps",
    "oracle://h/d?ssl=true": "oracle://h:1521/?service_name=d&protocol=tcps",
    "pyamqp+ssl://h": "amqps://h:5671/%2F",
    "snowflake+https://h/d": "snowflake://h/d?protocol=https",
    "bigquery+https://p/d": "bigquery://p/d?sslmode=verify-full",
    "duckdb+tls:///canary": REFUSED,
    "oracle+tls://u:canary@h/d?protocol=tcp": REFUSED,
    "snowflake+tls://u:canary@h?protocol=http": REFUSED,
    "tidb://u:canary@h?ssl_disabled=true&ssl_verify_cert=true": REFUSED,
    "kafka+sasl://u:canary@h": REFUSED,
    "kafka://u:canary@h?security.protocol=TLS": REFUSED,
    "kafka+ssl://u:canary@h?security.protocol=PLAINTEXT": REFUSED,
    "mqtts://u:canary@h?tls=false": REFUSED,
    "neo4j+s://u:canary@h?sslmode=disable": REFUSED,
    "neo4j+sscs://u:canary@h": REFUSED,
    "nats+quic://u:canary@h": REFUSED,
    "redis+foo://:canary@h": REFUSED,
    "postgresql+tlss://u:canary@h/d": REFUSED,
    "mongodb+ssh://u:canary@h": REFUSED,
    "sqlite+pysqlcipher://:canary@/x.db": REFUSED,  # SQLAlchemy: an encrypted file
    "rediss://:canary@h?ssl=false": REFUSED,
    "rediss://:canary@h?sslmode=disable": REFUSED,
    "amqps://u:canary@h?sslmode=disable": REFUSED,
    "redis+tls://:canary@h?sslmode=disable": REFUSED,
    "redis://:canary@h?ssl=true": REFUSED,
    "http://u:canary@h?use_ssl=true": REFUSED,
    "postgresql+tls://u:canary@h?sslmode=prefer": REFUSED,
    "clickhouses://u:canary@h?secure=false": REFUSED,
    "https://u:canary@h?sslmode=disable": REFUSED,
}
WITHOUT_ENGINE = {"http": "elasticsearch", "https": "s3", "SSL": "kafka", "SASL_SSL": "kafka"}


@pytest.mark.parametrize("url", SCHEMES)
def test_what_follows_the_plus_of_a_scheme_is_a_driver_or_tls_or_an_error(url):
    engine = WITHOUT_ENGINE.get(url.partition(":")[0])
    if SCHEMES[url] is not REFUSED:
        assert credentials(url=url, type=engine).url == SCHEMES[url]
        return
    with pytest.raises(ConfigError) as caught:
        credentials(url=url, type=engine)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "redis", "port": 6379, "tls_port": 16379}, "rediss://h:16379/0"),  # java-cfenv
        ({"type": "redis", "tls_port": "16379"}, "rediss://h:16379/0"),
        ({"type": "redis", "port": 6379, "tls-port": 16379}, "rediss://h:16379/0"),
        ({"type": "redis", "url": "redis://h:6379", "sslPort": 16379}, "rediss://h:16379/0"),
        ({"type": "redis", "port": 6379, "tls_port": 0}, "redis://h:6379/0"),
        ({"type": "redis", "port": 6379, "tls_port": ""}, "redis://h:6379/0"),
        ({"type": "redis", "port": 6379, "tls_port": None}, "redis://h:6379/0"),
        ({"type": "amqp", "port": 5672, "ssl_port": 5671}, "amqps://h:5671/%2F"),
        ({"type": "postgres", "port": 1, "tls_port": 2}, "postgresql://h:2/?sslmode=require"),
        ({"type": "mongodb", "hosts": ["h", "i"], "tls_port": 2}, "mongodb://h:2,i:2/?tls=true"),
        ({"type": "clickhouse", "port": 8123, "tls_port": 8443}, "clickhouse://h:8443/?secure=true"),
    ],
)
def test_a_port_for_tls_beside_one_without_is_used(entry, expected):
    assert credentials(**({} if "hosts" in entry or "url" in entry else {"host": "h"}), **entry).url == expected


def test_the_message_for_a_port_that_is_none_names_its_key():
    with pytest.raises(ConfigError, match=r"primary_db\.tls_port: a port is a number from 1 to 65535") as caught:
        credentials(type="redis", host="h", tls_port="canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("nats://u:canary@a:4222,nats://u:canary@b:4222", [("a", 4222), ("b", 4222)]),  # nats.py's `servers`
        ("nats://u:canary@a:4222, nats://u:canary@b:4222", [("a", 4222), ("b", 4222)]),
        ("nats://u:canary@a:4222,b:4222", [("a", 4222), ("b", 4222)]),
        ("postgresql://u:canary@a/d postgresql://u:canary@b:1/d", [("a", 5432), ("b", 1)]),
        ("mongodb://u:canary@a/?tls=true,mongodb://u:canary@b/?tls=true", [("a", 27017), ("b", 27017)]),
        ("influx://u:canary@a/x?next=1,http://b", [("a", None)]),  # a value of an option
        ("amqp://u:canary@a/v;amqp://u:canary@b/v", REFUSED),  # kombu's list; pika takes one host
        ("nats://u:canary@a:4222,tls://u:canary@b:4222", REFUSED),
        ("nats://u:canary@a,nats://v:canary@b", REFUSED),
        ("nats://u:canary@a,u:canary@b", REFUSED),
        ("redis://:canary@a/0,redis://:canary@b/0", REFUSED),
        ("redis://:canary@a/0 redis://:canary@b/1", REFUSED),
        ("nats://u:canary@a,nats://", REFUSED),
    ],
)
def test_a_list_of_urls_is_one_with_several_hosts_or_an_error_and_shows_no_password(url, hosts):
    if hosts is REFUSED:
        with pytest.raises(ConfigError) as caught:
            credentials(url=url)
        assert "canary" not in str(caught.value)
        return
    db = credentials(url=url)
    assert (db.hosts or [(db.host, db.port)], db.username, db.password) == (hosts, "u", "canary")
    assert "canary" not in repr(db)


@pytest.mark.parametrize("field", ["username", "name"])
def test_a_repr_hides_a_field_with_an_at_sign_which_may_be_part_of_a_url(field):
    assert "canary" not in repr(credentials(type="postgres", host="h", **{field: "u:canary@h"}))


ENGINES = ("redis", "valkey", "amqp", "rabbitmq", "mongodb", "postgresql", "postgres", "mysql", "mariadb", "mssql")
OTHERS = ("cassandra", "scylla", "kafka", "memcached", "mqtt", "nats", "neo4j", "bolt", "qdrant")
RELATIVES = ("cockroachdb", "timescaledb", "yugabytedb", "redshift", "tidb", "pyamqp", "oracle", "snowflake")
ALL = (*ENGINES, *OTHERS, *RELATIVES, "elasticsearch", "opensearch", "clickhouse", "s3", "minio")
SECURE = ("rediss", "valkeys", "amqps", "clickhouses", "kafka+ssl", "mqtts", "neo4j+s", "bolt+ssc")
ports = st.none() | st.integers(1, 65535)
switches = st.sampled_from(["ssl", "tls", "use_ssl", "use-tls", "useSSL", "require_ssl", "sslEnabled", "tls_enabled"])
modes = st.sampled_from(["require", "verify-full"])
protocols = st.sampled_from(["security.protocol", "securityProtocol", "security_protocol", "security-protocol"])


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """An entry that asks for TLS in one spelling, or in two."""
    engine = draw(st.sampled_from(ALL))
    port = draw(ports)
    place = "u:p@h" if port is None else f"u:p@h:{port}"
    transport = draw(st.sampled_from(["tls", "ssl", "https", "s"]))
    key = draw(switches)
    on = draw(st.sampled_from(["true", "1", "yes", "on", "True"]))
    plain = {"type": engine, "host": "h", **({} if port is None else {"port": port})}
    asked: list[Callable[[], dict[str, Any]]] = [  # only what is chosen is drawn
        lambda: {"url": f"{engine}+{transport}://{place}"},
        lambda: {"url": f"{draw(st.sampled_from(SECURE))}://{place}"},
        lambda: {"url": f"{engine}+{transport}://{place}", key: draw(st.sampled_from([False, "false", True]))},
        lambda: {"url": f"{engine}://{place}?{key}={on}"},
        lambda: {"url": f"{engine}://{place}?sslmode={draw(modes)}"},
        lambda: {"url": f"{engine}://{place}", key: on},
        lambda: {**plain, key: draw(st.sampled_from([True, 1, on]))},
        lambda: {**plain, "sslmode": draw(modes)},
        lambda: {**plain, "options": {"sslmode": draw(modes)}},
        lambda: {
            **plain,
            draw(st.sampled_from(["tls_port", "ssl_port", "tls-port", "tlsPort"])): draw(st.integers(1, 65535)),
        },
        lambda: {
            "type": draw(st.sampled_from(["elasticsearch", "clickhouse", "s3", "minio", "qdrant"])),
            "url": f"https://{place}",
        },
        lambda: {
            "type": draw(st.sampled_from(["nats", "mqtt"])),
            "url": f"{draw(st.sampled_from(['tls', 'wss']))}://{place}",
        },
        lambda: {"type": "kafka", "url": f"{draw(st.sampled_from(['SSL', 'SASL_SSL']))}://{place}"},
        lambda: {**plain, "type": "kafka", draw(protocols): draw(st.sampled_from(["SSL", "SASL_SSL", "sasl_ssl"]))},
    ]
    return draw(st.sampled_from(asked))()


def is_plain(arguments: dict[str, Any]) -> bool:
    """Whether a driver connects without TLS, or might, with these arguments."""
    text = repr(arguments).lower()
    marks = (
        "tcps",
        "ssl",
        "tls",
        "amqps",
        "https",
        "encrypt=yes",
        "encryption': 'require",
        "encrypt': '{yes}",
        "encrypt%3d",
    )
    return not any(mark in text for mark in marks) or any(
        mark in text
        for mark in ("ssl_disabled': true", "ssl': false", "sslmode=disable", "http://", "plaintext'", "'https': false")
    )


@pytest.fixture(scope="module")
def no_authorities() -> Iterator[None]:
    """Makes contexts without the system's authorities, which take 20 ms to read."""
    with mock.patch("ssl.create_default_context", return_value=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):
        yield


@settings(max_examples=400)
@given(entry=entries())
@pytest.mark.usefixtures("no_authorities")
def test_no_tls_that_is_asked_for_in_any_spelling_is_lost(entry):
    try:
        db = credentials(**entry)
    except ConfigError:
        return  # an error loses nothing
    options = db.options
    assert options.get("sslmode") in {None, "require", "verify-ca", "verify-full"}
    for driver in {make: name for name, make in db._drivers.items()}.values():  # each once, with several names
        try:
            arguments = db.for_driver(driver)
        except ValueError:  # the driver does not support the mode, and says so
            continue
        assert not is_plain(arguments), (entry, driver)
