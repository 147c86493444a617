"""What platforms write is read as it is meant: white space, the engine of an https URL, the names of a database."""

from __future__ import annotations

import json

import pytest

import architect.sdk as architect

URL = "postgresql://app:s3cret@db:5432/shop"


@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\t", " \n "])
@pytest.mark.parametrize(
    "variable", ["PRIMARY_URL", "PRIMARY_URI", "ConnectionStrings__primary", "VCAP_SERVICES", "ARCHITECT"]
)
def test_white_space_around_a_url_is_not_part_of_it(monkeypatch, variable, space):
    url = space + URL + space
    values = {
        "VCAP_SERVICES": json.dumps({"postgres": [{"name": "primary", "credentials": {"uri": url}}]}),
        "ARCHITECT": json.dumps({"x": {"datastores": {"primary": {"url": url}}}}),
    }
    monkeypatch.setenv(variable, values.get(variable, url))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "x")
    db = architect.Resolver().datastore("primary")
    assert (db.url, db.name) == (URL, "shop")


def test_white_space_around_the_url_of_a_service_is_not_part_of_it(monkeypatch):
    monkeypatch.setenv("BILLING_URL", " http://billing:8080\n")
    monkeypatch.setenv("services__orders__http__0", "http://orders:8080 ")
    resolver = architect.Resolver()
    assert resolver.catalog.service("billing").entry.host == "http://billing:8080"
    assert resolver.catalog.service("orders").entry.host == "http://orders:8080"


def test_white_space_around_a_password_is_part_of_it(monkeypatch):
    for key, value in {"HOST": "h\n", "PORT": "5432 ", "PASSWORD": "s3cret ", "DATABASENAME": "d "}.items():
        monkeypatch.setenv(f"PRIMARY_{key}", value)
    entry = architect.Resolver().catalog.datastore("primary", None).entry
    assert (entry.host, entry.port, entry.password, entry.name) == ("h", 5432, "s3cret ", "d")


def test_white_space_in_the_files_of_a_binding_is_part_of_the_password_only(binding):
    binding("primary", {"type": "redis ", "host": "h \n", "port": "6379 \n", "password": "s3cret \n"})
    db = architect.Resolver().datastore("primary")
    assert (db.engine, db.host, db.port, db.password) == ("redis", "h", 6379, "s3cret ")


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("elasticsearch", "elasticsearch"),
        ("opensearch", "elasticsearch"),
        ("clickhouse", "clickhouse"),
        ("minio", "minio"),
        ("s3", "s3"),
        ("influxdb", "generic"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_type_of_a_binding_is_its_engine_also_if_its_uri_has_https(binding, kind, engine, scheme):
    binding("files", {"type": kind, "uri": f"{scheme}://u:p@h:9200"})
    db = architect.Resolver().datastore("files")
    assert (db.engine, db.host, db.port, db.username) == (engine, "h", 9200, "u")
    assert (db.options.get("sslmode") == "verify-full") is (scheme == "https" and engine != "generic")


@pytest.mark.parametrize(
    ("label", "tags", "engine"),
    [
        ("elasticsearch", [], "elasticsearch"),
        ("a9s-opensearch", [], "elasticsearch"),
        ("user-provided", ["clickhouse"], "clickhouse"),
        ("minio", [], "minio"),
        ("aws-s3", [], "s3"),
        ("user-provided", [], None),  # any service
        ("redis", ["redis"], None),  # such as its dashboard
    ],
)
def test_the_label_of_a_bound_service_is_its_engine_also_if_its_uri_has_https(monkeypatch, label, tags, engine):
    bound = [{"name": "files", "tags": tags, "credentials": {"uri": "https://u:p@h:9200"}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({label: bound}))
    resolver = architect.Resolver()
    if engine is None:
        assert resolver.catalog.service("files").entry.api == "rest"
    else:
        assert resolver.datastore("files").engine == engine


# CloudNativePG and Crunchy write "dbname", the AWS operator "database-name" and "db_name", MariaDB's "database"
@pytest.mark.parametrize(
    "key", ["dbname", "db-name", "db_name", "database-name", "database_name", "database", "db", "name"]
)
def test_each_key_for_a_database_is_its_name(binding, key):
    binding("primary", {"type": "postgresql", "host": "h", "user": "u", "password": "p", key: "shop"})
    assert architect.Resolver().datastore("primary").url == "postgresql://u:p@h:5432/shop"


def test_the_key_of_a_database_beside_a_uri_is_its_name(binding):
    binding("primary", {"type": "postgresql", "uri": "postgresql://u:p@h/shop", "dbname": "shop"})
    assert architect.Resolver().datastore("primary").name == "shop"
