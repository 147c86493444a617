"""TLS in keys of an entry beside `options` reaches the drivers."""

from __future__ import annotations

import doctest

import pytest

from architect_core.exceptions import ConfigError
from architect_datastore import options

PEM = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("entry", "options"),
    [
        ({"type": "postgres", "sslmode": "verify-full"}, {"sslmode": "verify-full"}),
        (
            {"type": "postgres", "sslmode": "verify-ca", "sslrootcert": "/ca.pem"},
            {"sslmode": "verify-ca", "ca": "/ca.pem"},
        ),
        ({"type": "postgres", "ssl": True}, {"sslmode": "require"}),
        ({"type": "postgres", "ssl": "require"}, {"sslmode": "require"}),
        ({"type": "postgres", "use_tls": True, "sslcert": "", "sslkey": ""}, {"sslmode": "require"}),
        ({"type": "postgres", "ssl": False}, {}),
        ({"type": "postgres", "sslrootcert": PEM}, {"sslmode": "require"}),
        ({"type": "postgres", "sslrootcert": PEM, "sslmode": "verify-full"}, {"sslmode": "verify-full"}),
        ({"type": "mysql", "ssl_mode": "VERIFY_IDENTITY"}, {"sslmode": "verify-full"}),
        ({"type": "mysql", "ssl-ca": "/ca.pem"}, {"sslmode": "verify-full", "ca": "/ca.pem"}),
        ({"type": "mysql", "tls": {"cert": {"ca": PEM}}}, {"sslmode": "verify-full"}),
        ({"type": "mysql", "sslRequired": True}, {"sslmode": "verify-full"}),
        ({"type": "redis", "tls": True}, {"sslmode": "verify-full"}),
        ({"type": "redis", "ssl": "true"}, {"sslmode": "verify-full"}),
        ({"type": "redis", "ssl": "false"}, {}),
        ({"type": "redis", "ssl": "true", "ssl_cert_reqs": "none"}, {"sslmode": "require"}),
        ({"type": "redis", "ca": f"# ours\n{PEM}"}, {"sslmode": "verify-full"}),
        ({"type": "redis", "ca": "/ca.pem"}, {"sslmode": "verify-full", "ca": "/ca.pem"}),
        ({"type": "redis", "key": "an access key", "tls_port": 6380}, {"sslmode": "verify-full"}),
        ({"type": "mongodb", "tls": "true"}, {"sslmode": "verify-full"}),
        ({"type": "mssql", "Encrypt": "yes", "TrustServerCertificate": "yes"}, {"sslmode": "require"}),
        ({"type": "amqp", "ssl": True}, {"sslmode": "verify-full"}),
        ({"type": "elasticsearch", "sslmode": "require"}, {"sslmode": "require"}),
        ({"type": "clickhouse", "secure": "true", "verify": "false"}, {"sslmode": "require"}),
        ({"type": "minio", "ssl": True}, {"sslmode": "verify-full"}),
        # a switch and a file as clients of other engines and languages name them
        ({"type": "redis", "enable_tls": "true"}, {"sslmode": "verify-full"}),
        ({"type": "mysql", "encrypted": "yes"}, {"sslmode": "verify-full"}),
        ({"type": "amqp", "protocol": "amqp+ssl"}, {"sslmode": "verify-full"}),
        ({"type": "elasticsearch", "scheme": "https"}, {"sslmode": "verify-full"}),
        ({"type": "redis", "tls_mode": "VERIFY_CA"}, {"sslmode": "verify-ca"}),
        ({"type": "redis", "tlsCAFile": "/ca.pem"}, {"sslmode": "verify-full", "ca": "/ca.pem"}),
        ({"type": "mongodb", "ssl_ca_certs": PEM}, {"sslmode": "verify-full"}),
        ({"type": "mssql", "ca": "/ca.pem"}, {"sslmode": "verify-full"}),
        ({"type": "redis", "transport": "tls"}, {"sslmode": "verify-full"}),
        ({"type": "amqp", "securityProtocol": "SASL_SSL"}, {"sslmode": "verify-full"}),
        ({"type": "mqtt", "security": "ssl"}, {"sslmode": "verify-full"}),
        ({"type": "cassandra", "security.protocol": "SSL"}, {"sslmode": "verify-full"}),
        ({"type": "mqtt", "transport": "websockets"}, {}),
        # clients of servers that are reached over HTTP
        ({"type": "qdrant", "https": True}, {"sslmode": "verify-full"}),
        ({"type": "elasticsearch", "use_https": "yes"}, {"sslmode": "verify-full"}),
        ({"type": "clickhouse", "https": "1"}, {"sslmode": "verify-full"}),
        # ports on which servers speak TLS only
        ({"type": "elasticsearch", "port": 443}, {"sslmode": "verify-full"}),
        ({"type": "opensearch", "port": 9243}, {"sslmode": "verify-full"}),
        ({"type": "qdrant", "port": 443}, {"sslmode": "verify-full"}),
        ({"type": "amqp", "port": 5671}, {"sslmode": "verify-full"}),
        ({"type": "cassandra", "port": 9142}, {"sslmode": "verify-full"}),
        ({"type": "oracle", "port": 2484}, {"sslmode": "verify-full"}),
        ({"type": "oracle", "port": 2484, "options": {"sslmode": "disable"}}, {"sslmode": "disable"}),
        # a certificate by any name
        ({"type": "kafka", "KAFKA_TRUSTED_CERT": PEM}, {"sslmode": "verify-full"}),
        ({"type": "redis", "access_cert": PEM}, {"sslmode": "verify-full"}),
        ({"type": "postgres", "project_ca_cert": PEM}, {"sslmode": "require"}),
        # what is none
        ({"type": "qdrant", "https": False}, {}),
        ({"type": "redis", "documentation": "https", "signing_key": "-----BEGIN PRIVATE KEY-----"}, {}),
        ({"type": "redis", "protocol": "3"}, {}),
        ({"type": "redis", "scheme": "redis"}, {}),
        ({"type": "mysql", "encryption": "AES256", "insecure": "true", "secure_port": 0}, {}),
        ({"type": "redis", "enable_tls": "false", "with_ssl": "0"}, {}),
    ],
)
def test_a_key_beside_the_options_is_one_of_them(datastore, entry, options):
    db = datastore(host="h", **entry)
    assert db.options == options
    assert datastore(type=entry["type"], url=db.url).options == options
    assert {key: db[key] for key in entry} == entry  # they stay attributes


@pytest.mark.parametrize(
    ("entry", "mode"),
    [
        ({"url": "postgresql://h/n?sslmode=prefer", "sslmode": "verify-full"}, "verify-full"),
        ({"url": "postgresql://h/n?sslmode=verify-ca", "ssl": True}, "verify-ca"),
        ({"url": "postgresql://h/n?sslmode=prefer", "ssl": True}, "require"),
        ({"url": "postgresql://h/n?sslmode=require", "ssl": False}, "require"),
        ({"url": "postgresql://h/n", "ssl": True, "options": {"sslmode": "disable"}}, "disable"),
        ({"url": "redis://h", "tls": True}, "verify-full"),
        ({"url": "rediss://h?ssl_cert_reqs=none", "tls": True}, "require"),
        ({"url": "rediss://h", "tls": False}, "verify-full"),
        ({"url": "clickhouse://h:8443", "ssl": "false"}, "verify-full"),
        ({"url": "kafka+ssl://h", "security_protocol": "PLAINTEXT"}, "verify-full"),
        ({"type": "kafka", "host": "h", "ssl": True, "security.protocol": "SASL_PLAINTEXT"}, "verify-full"),
        ({"type": "kafka", "host": "h", "tls_port": 9093, "securityProtocol": "SASL_PLAINTEXT"}, "verify-full"),
        ({"connection_string": "Server=h;Port=1;Uid=u;SslMode=Required", "use_tls": True, "type": "mysql"}, "require"),
    ],
)
def test_a_key_wins_over_the_url_an_option_over_the_key_and_a_switch_weakens_nothing(datastore, entry, mode):
    assert datastore(**entry).options["sslmode"] == mode


def test_a_switch_that_is_off_leaves_tls_to_mongodb_srv(datastore):
    assert datastore(url="mongodb+srv://h.example", tls=False).url == "mongodb+srv://h.example/"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "postgres", "sslmode": "canary"}, "primary_db.sslmode: input should be 'disable', 'allow'"),
        ({"type": "redis", "ssl": "canary"}, "primary_db.ssl: input should be 'disable', 'require'"),
        ({"type": "redis", "sslmode": "prefer"}, "primary_db.sslmode: input should be"),
        ({"type": "mysql", "ca": ["canary"]}, "primary_db.ca: must be text"),
        ({"type": "mssql", "Encrypt": "canary"}, "primary_db: has a value of Encrypt that is neither on nor off"),
        ({"type": "mysql", "sslmode": "disable", "ca": "/canary"}, "primary_db.ca: has no meaning if TLS is off"),
    ],
)
def test_the_message_for_an_invalid_key_does_not_have_the_value(datastore, entry, expected):
    with pytest.raises(ConfigError) as caught:
        datastore(host="h", **entry)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


def test_the_example_is_true():
    tried = doctest.testmod(options)
    assert (tried.failed, tried.attempted > 0) == (0, True)
