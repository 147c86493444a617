"""What service brokers write into VCAP_SERVICES is understood."""

from __future__ import annotations

import json

import pytest

import architect.sdk as architect

BROKERS = {
    "a user provides it": ({"uri": "mysql://u:p@h/d"}, {"url": "mysql://u:p@h/d"}),
    "a queue": ({"hostname": "h", "vhost": "v", "name": "bound"}, {"host": "h", "name": "v"}),
    "the name of what was bound": ({"uri": "redis://:p@h:1", "name": "bound"}, {"url": "redis://:p@h:1"}),
    "a database beside a URI": ({"uri": "mysql://h", "database": "d"}, {"url": "mysql://h", "name": "d"}),
    "a database without one": ({"host": "h", "name": "d"}, {"host": "h", "name": "d"}),
    "a URL for JDBC": ({"url": "jdbc:sap://h:1", "host": "h", "port": 1}, {"host": "h", "port": 1}),
    "its host in a list too": ({"host": "h", "hosts": ["h"]}, {"host": "h"}),
    "a port for TLS only": ({"host": "h", "port": 0, "tls_port": 16379}, {"host": "h", "tls_port": 16379}),
    "a port for TLS too": ({"host": "h", "port": 1, "tls_port": 2}, {"host": "h", "port": 1, "tls_port": 2}),
    "no credentials": (None, {}),
}


@pytest.mark.parametrize("how", BROKERS)
def test_what_brokers_bind_is_understood(monkeypatch, how):
    credentials, expected = BROKERS[how]
    bound = [{"binding_name": "db", "instance_name": "prod", "credentials": credentials}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"user-provided": bound}))
    catalog = architect.Resolver().catalog
    found = catalog.datastore("db", None).entry.model_dump(exclude_unset=True, exclude={"kind"})
    assert found == expected
    assert catalog.datastore("prod", None).entry.name == expected.get("name")
    assert catalog.names("datastores") == ["db"]
    with pytest.raises(architect.ConfigError, match=r"user-provided\[0\] \(db\): is meant for 'db' and for 'acme/db'"):
        catalog.datastore("acme/db", None)


@pytest.mark.parametrize(
    ("label", "tags", "expected"),
    [
        ("p.redis", [], "redis"),
        ("rediscloud", ["Data Store", "redis", "key-value"], "redis"),
        ("PostgreSQL", ["mysql"], "postgresql"),
        ("hana", ["database"], "hana"),
        ("hana", None, "hana"),
        ("hana", [1], "hana"),
        ("databases-for-postgresql", [], "postgresql"),
    ],
)
def test_the_engine_of_what_a_broker_binds_is_in_its_label_or_its_tags(monkeypatch, label, tags, expected):
    bound = [{"name": "db", "tags": tags, "credentials": {"host": "h"}}]
    bound += [{"name": "own", "tags": tags, "credentials": {"connection": {"uri": "redis://h"}}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({label: bound}))
    catalog = architect.Resolver().catalog
    assert catalog.datastore("db", None).entry.kind == expected
    assert catalog.datastore("own", None).entry.kind == label.lower()


def test_an_access_key_needs_no_host_to_tell_that_a_bound_service_is_s3(monkeypatch):
    for label, kind in (("aws-s3", "s3"), ("csb-minio", "minio"), ("user-provided", "s3")):
        bound = [{"name": "files", "tags": ["s3"] if kind == "s3" else [], "credentials": {"access_key_id": "k"}}]
        monkeypatch.setenv("VCAP_SERVICES", json.dumps({label: bound}))
        assert architect.Resolver().catalog.datastore("files", None).entry.kind == kind


def test_a_bound_datastore_is_not_found_as_a_service(monkeypatch):
    bound = [{"name": "redis", "credentials": {"host": "h", "port": 1}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"p.redis": bound}))
    monkeypatch.setenv("ACME_REDIS_URL", "http://admin:1")
    resolver = architect.Resolver()
    assert resolver.service("acme/redis").config.host == "http://admin:1"
    assert resolver.catalog.datastore("redis", None).entry.host == "h"
