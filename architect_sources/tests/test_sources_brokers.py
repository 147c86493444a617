"""What platforms and operators hand out for each engine is read right."""

from __future__ import annotations

import json
from typing import Any

import pytest

import architect.sdk as architect
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver
from architect_sources.aspire import AspireSource
from architect_sources.urls import UrlSource
from architect_sources.vcap import VcapSource

PLUGINS = Plugins()
PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
TLS = {"sslmode": "verify-full"}
SECRET = "s3cret-canary"
LOGIN = {"username": "u", "password": SECRET}


def read(source: Any) -> Any:
    return Resolver(source=source, plugins=PLUGINS, root="/nowhere").datastore("x")


def check(db: Any, engine: str, expected: dict[str, Any]) -> None:
    found = {key: getattr(db, key) for key in expected}
    assert (db.engine, found) == (engine, expected)
    assert SECRET not in repr(db)


# label, tags, credentials -> the engine, and its credentials
BOUND: list[tuple[str, list[str], dict[str, Any], str, dict[str, Any]]] = [
    (
        "p-cassandra",  # java-cfenv's CassandraCfEnvProcessor
        [],
        {"node_ips": ["10.0.0.1", "10.0.0.2"], "cqlsh_port": 9042, **LOGIN},
        "cassandra",
        {"hosts": [("10.0.0.1", 9042), ("10.0.0.2", 9042)], **LOGIN},
    ),
    (
        "instaclustr",
        ["cassandra"],
        {"contactPoints": "a,b", "port": 9142, "keyspace": "k", "ssl": True, **LOGIN},
        "cassandra",
        {"hosts": [("a", 9142), ("b", 9142)], "name": "k", "options": TLS},
    ),
    (
        "confluent-cloud",
        ["kafka"],
        {"bootstrap.servers": "SASL_SSL://h:9092", "api-key": "u", "api-secret": SECRET},
        "kafka",
        {"host": "h", "port": 9092, **LOGIN, "options": {**TLS, "sasl_mechanism": "PLAIN"}},
    ),
    (
        "kafka",
        [],
        {"brokers": ["a:1", "b:2"], "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", **LOGIN},
        "kafka",
        {"hosts": [("a", 1), ("b", 2)], "options": {**TLS, "sasl_mechanism": "SCRAM-SHA-512"}},
    ),
    (
        "aiven",
        ["kafka"],
        {"host": "h", "port": "1", "tls": True, **LOGIN},
        "kafka",
        {"host": "h", "port": 1, "options": TLS},
    ),
    ("a9s-nats", [], {"uri": f"nats://u:{SECRET}@h:4222"}, "nats", {"host": "h", **LOGIN}),
    ("nats", [], {"uri": f"tls://u:{SECRET}@h:4222"}, "nats", {"host": "h", "options": TLS}),
    (
        "nats",
        [],
        {"uris": [f"nats://u:{SECRET}@a", f"nats://u:{SECRET}@b"]},
        "nats",
        {"hosts": [("a", 4222), ("b", 4222)]},
    ),
    (
        "synadia",
        ["nats"],
        {"servers": ["nats://a"], "token": SECRET},
        "nats",
        {"host": "a", "options": {"token": SECRET}},
    ),
    (
        "memcachedcloud",
        ["memcached"],
        {"servers": "a:14390,b:14390", **LOGIN},
        "memcached",
        {"hosts": [("a", 14390), ("b", 14390)], **LOGIN},
    ),
    ("p.mqtt", [], {"uri": f"ssl://u:{SECRET}@h:8883"}, "mqtt", {"host": "h", "port": 8883, "options": TLS}),
    ("mosquitto", [], {"hostname": "h", "tls_port": 8883, "port": 1883}, "mqtt", {"port": 8883, "options": TLS}),
    ("graphenedb", ["neo4j"], {"uri": f"bolt+s://u:{SECRET}@h:24786"}, "neo4j", {"port": 24786, "options": TLS}),
    (
        "qdrant",
        [],
        {"url": "https://h:6333", "api_key": SECRET},
        "qdrant",
        {"host": "h", "options": {**TLS, "api_key": SECRET}},
    ),
    (
        "postgres",  # of Tanzu, with several nodes
        ["postgresql"],
        {
            "db": "d",
            "hosts": ["a", "b"],
            "port": 5432,
            "uri": f"postgresql://u:{SECRET}@a:5432,b:5432/d?targetServerType=primary",
        },
        "postgres",
        {"hosts": [("a", 5432), ("b", 5432)], **LOGIN, "options": {"target_session_attrs": "primary"}},
    ),
    (
        "azure-rediscache",
        ["redis"],
        {"hostname": "h", "port": 6379, "sslPort": 6380, "primaryKey": SECRET, "secondaryKey": "another"},
        "redis",
        {"port": 6380, "password": SECRET, "options": TLS},
    ),
    (
        "elasticsearch",  # of anynines
        [],
        {"host": ["h"], "port": 9200, "scheme": "https", **LOGIN},
        "elasticsearch",
        {"host": "h", **LOGIN, "options": TLS},
    ),
    (
        "dynstrg",  # of Swisscom
        ["s3"],
        {"accessHost": "h", "accessKey": "u", "sharedSecret": SECRET, "namespace": "n"},
        "s3",
        {"host": "h", "port": 443, **LOGIN},
    ),
    (
        "aws-dynamodb",
        [],
        {"region": "eu-west-1", "access_key_id": "u", "secret_access_key": SECRET, "table_name": "orders"},
        "dynamodb",
        {"host": "eu-west-1", "name": "orders", **LOGIN},
    ),
]


@pytest.mark.parametrize(("label", "tags", "credentials", "engine", "expected"), BOUND)
def test_what_service_brokers_bind(label, tags, credentials, engine, expected):
    bound = {label: [{"name": "x", "tags": tags, "credentials": credentials}]}
    check(read(VcapSource({"VCAP_SERVICES": json.dumps(bound)})), engine, expected)


BINDINGS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "kafka of Spring": ({"type": "kafka", "bootstrap-servers": "a:1,b:2"}, {"hosts": [("a", 1), ("b", 2)]}),
    "kafka of Quarkus": (
        {
            "type": "kafka",
            "bootstrapServers": "h:1",
            "securityProtocol": "SASL_SSL",
            "saslMechanism": "PLAIN",
            "user": "u",
            "password": SECRET,
        },
        {"host": "h", "port": 1, **LOGIN, "options": {**TLS, "sasl_mechanism": "PLAIN"}},
    ),
    "cassandra of Spring": (
        {"type": "cassandra", "contact-points": "a,b", "keyspace-name": "k", "port": "1", "ssl": "true", **LOGIN},
        {"hosts": [("a", 1), ("b", 1)], "name": "k", "options": TLS},
    ),
    "neo4j of Spring": ({"type": "neo4j", "uri": "neo4j+s://h", **LOGIN}, {"port": 7687, **LOGIN, "options": TLS}),
    "mongodb of Spring": (
        {"type": "mongodb", "host": "h", "authentication-database": "a", "replica-set-name": "r", **LOGIN},
        {"host": "h", **LOGIN, "options": {"auth_source": "a", "replica_set": "r"}},
    ),
    "mongodb of its operator": (
        {
            "type": "mongodb",
            "connectionString.standard": f"mongodb://u:{SECRET}@a:1,b:2/admin?replicaSet=r&ssl=true",
            "connectionString.standardSrv": f"mongodb+srv://u:{SECRET}@h/admin",
            **LOGIN,
        },
        {"hosts": [("a", 1), ("b", 2)], "name": "admin", **LOGIN, "options": {**TLS, "replica_set": "r"}},
    ),
    "postgresql of Crossplane": (
        {"type": "postgres", "endpoint": "h:5433", "port": "5433", **LOGIN},
        {"host": "h", "port": 5433, **LOGIN},
    ),
    "redis of Crossplane": ({"type": "redis", "endpoint": "h", "port": "6380"}, {"host": "h", "port": 6380}),
    "elasticsearch with an endpoint": (
        {"type": "elasticsearch", "endpoint": "https://h:9243", **LOGIN},
        {"host": "h", "port": 9243, **LOGIN, "options": TLS},
    ),
    "redis of Bitnami": ({"type": "redis", "host": "h", "redis-password": SECRET}, {"password": SECRET}),
    "nats": ({"type": "nats", "uri": "tls://h", **LOGIN}, {"host": "h", "port": 4222, "options": TLS}),
    "mqtt": ({"type": "mqtt", "host": "h", "port": "8883", **LOGIN}, {"port": 8883, "options": TLS}),
    "memcached": ({"type": "memcached", "servers": "h:1\n"}, {"host": "h", "port": 1}),
    "qdrant": (
        {"type": "qdrant", "uri": "http://h", "api-key": SECRET},
        {"port": 6333, "options": {"api_key": SECRET}},
    ),
    "dynamodb": (
        {"type": "dynamodb", "region": "eu-west-1", "access-key-id": "u", "secret-access-key": SECRET},
        {"host": "eu-west-1", **LOGIN},
    ),
}


@pytest.mark.parametrize("whose", BINDINGS)
def test_what_a_service_binding_has(binding, whose):
    files, expected = BINDINGS[whose]
    binding("x", files)
    check(architect.datastore("x"), files["type"], expected)


def test_a_service_binding_of_strimzi(binding):
    keys = {"type": "kafka", "provider": "strimzi", "bootstrap.servers": "h:9093", "securityProtocol": "SSL"}
    certificates = {"ssl.truststore.crt": PEM, "ssl.keystore.crt": PEM, "ssl.keystore.key": PEM}
    folder = binding("x", {**keys, "bootstrapServers": "h:9093", **certificates})
    files = {"ca": "ssl.truststore.crt", "certificate": "ssl.keystore.crt", "key": "ssl.keystore.key"}
    paths = {option: str(folder / name) for option, name in files.items()}
    check(architect.datastore("x"), "kafka", {"hosts": [("h", 9093)], "options": {**TLS, **paths}})


@pytest.mark.parametrize(
    ("variables", "engine", "expected"),
    [
        ({"ConnectionStrings__x": f"nats://nats:{SECRET}@localhost:1"}, "nats", {"port": 1, "username": "nats"}),
        ({"ConnectionStrings__x": f"neo4j://u:{SECRET}@localhost:1"}, "neo4j", {"port": 1, **LOGIN}),
        (
            {"ConnectionStrings__x": f"Endpoint=http://localhost:6334;Key={SECRET}"},
            "qdrant",
            {"port": 6334, "options": {"api_key": SECRET}},
        ),
        (
            {
                "ConnectionStrings__x": f"Endpoint=http://localhost:6334;Key={SECRET}",
                "X_HTTPPORT": "2",
                "X_GRPCPORT": "1",
            },
            "qdrant",
            {"port": 2, "options": {"api_key": SECRET, "grpc_port": 1}},
        ),
        (
            {"X_URI": "neo4j+s://h.databases.neo4j.io", "X_USERNAME": "u", "X_PASSWORD": SECRET},
            "neo4j",
            {"host": "h.databases.neo4j.io", **LOGIN, "options": TLS},
        ),
        (
            {"X_URI": f"bolt://other:{SECRET}@h", "X_USERNAME": "u", "X_PASSWORD": "another"},
            "neo4j",
            {"username": "other", "password": SECRET},
        ),
        ({"X_URI": "bolt://h", "X_USERNAME": "u"}, "neo4j", {"username": None}),
    ],
)
def test_what_aspire_sets(variables, engine, expected):
    check(read(AspireSource(variables)), engine, expected)


@pytest.mark.parametrize(
    ("url", "engine", "expected"),
    [
        ("kafka+ssl://a:9096,kafka+ssl://b:9096", "kafka", {"hosts": [("a", 9096), ("b", 9096)], "options": TLS}),
        ("memcache://a,b:1", "memcached", {"hosts": [("a", 11211), ("b", 1)]}),  # django-environ
        (f"mqtts://u:{SECRET}@h", "mqtt", {"port": 8883, **LOGIN, "options": TLS}),  # Heroku: CloudMQTT
        (f"nats://{SECRET}@h", "nats", {"username": None, "options": {"token": SECRET}}),
        (f"dynamodb://u:{SECRET}@eu-west-1/orders", "dynamodb", {"name": "orders", **LOGIN}),
    ],
)
def test_what_heroku_and_others_set_as_a_url(url, engine, expected):
    check(read(UrlSource({"X_URL": url})), engine, expected)
