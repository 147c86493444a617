"""An error about what a platform says names the variable, the key of the credentials or the file that says it."""

from __future__ import annotations

import json

import pytest

import architect.sdk as architect


def error() -> str:
    with pytest.raises(architect.ConfigError) as caught:
        architect.Resolver().datastore("x")
    assert "canary" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"X_URL": "redis://h/canary"}, "the environment variable X_URL: the database must be a number"),
        ({"X_URL": "postgresql://h?sslmode=canary"}, "the environment variable X_URL: sslmode: input should be"),
        ({"X_URL": "postgresql://u:canary@h:x/d"}, "the environment variable X_URL: a port is a number"),
        ({"X_URL": "mysql://u:canary@a,b/d"}, "the environment variable X_URL: names several hosts"),
        ({"X_URL": "mssql:///canary"}, "the environment variable X_URL: names no host"),
        ({"X_URI": "redis://h?db=canary"}, "the environment variable X_URI: db: the database must be a number"),
        ({"ConnectionStrings__x": "redis://h/canary"}, "variable ConnectionStrings__x: the database must be a number"),
        (
            {"ConnectionStrings__x": "Host=h;Username=u;Ssl Mode=canary"},
            "ConnectionStrings__x: Ssl Mode: has an unknown",
        ),
        ({"ConnectionStrings__x": "Server=canary b;Encrypt=true"}, "ConnectionStrings__x: Server: the host is no host"),
        ({"ConnectionStrings__x": "Host=h;Username=u;Timeout=canary"}, "ConnectionStrings__x: Timeout: input should"),
        ({"X_HOST": "canary b", "X_PORT": "1"}, "X_HOST: a host has no spaces"),
        ({"X_HOST": "ß", "X_PORT": "1"}, "X_HOST: the host is not ASCII"),
        ({"X_HOST": "redis://canary", "X_PORT": "1"}, "X_HOST: must be a host alone"),
        ({"X_HOST": "h", "X_PORT": "99999"}, "X_PORT: a port is a number"),
    ],
)
def test_a_variable_has_its_name_in_an_error(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert expected in error()


@pytest.mark.parametrize(
    ("label", "credentials", "expected"),
    [
        ("redis", {"hostname": "canary b"}, "hostname: a host has no spaces"),
        ("redis", {"hostname": "ß"}, "hostname: the host is not ASCII"),
        ("redis", {"hostname": "h", "db_name": "canary"}, "db_name: the database must be a number"),
        ("redis", {"hostname": "h", "user": ["canary"]}, "user: must be text"),
        ("redis", {"hostname": "h", "pass": ["canary"]}, "pass: must be text"),
        ("redis", {"hostname": "h", "tls_port": "canary"}, "tls_port: a port is a number"),
        ("redis", {"uri": "redis://h/canary"}, "uri: the database must be a number"),
        ("redis", {"url": "redis://h?db=canary"}, "url.db: the database must be a number"),
        ("mysql", {"uri": "mysql://h/d?ssl-mode=canary"}, "uri.ssl-mode: input should be"),
        ("mysql", {"host": "h", "use_ssl": "canary"}, "use_ssl: input should be"),
        ("aws-s3", {"access_key_id": "k", "bucket_name": "canary/b"}, "bucket_name: the bucket must be a name alone"),
    ],
)
def test_a_key_of_vcap_has_its_name_in_an_error(monkeypatch, label, credentials, expected):
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({label: [{"name": "x", "credentials": credentials}]}))
    assert f"the environment variable VCAP_SERVICES, {label}[0]: credentials.{expected}" in error()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"type": "redis", "hostname": "canary b"}, "hostname: a host has no spaces"),
        ({"type": "redis", "hostname": "ß"}, "hostname: the host is not ASCII"),
        ({"type": "redis", "uri": "redis://h/canary"}, "uri: the database must be a number"),
        ({"type": "redis", "host": "h", "db": "canary"}, "db: the database must be a number"),
        ({"type": "redis", "host": "h", "name": "bound", "database": "canary"}, "database: the database must be a"),
        ({"type": "mysql", "host": "h", "ssl-mode": "canary"}, "ssl-mode: input should be"),
        ({"type": "mysql", "host": "h", "ca.crt": "canary", "sslmode": "disable"}, "ca.crt: has no meaning if TLS"),
        ({"type": "postgresql", "uri": "postgresql://h?sslmode=canary"}, "uri.sslmode: input should be"),
        ({"type": "s3", "bucket": "canary/b"}, "bucket: the bucket must be a name alone"),
        ({"type": "mysql", "host": "h", "port": "canary"}, "port: a port is a number"),
    ],
)
def test_a_file_of_a_binding_has_its_name_in_an_error(binding, files, expected):
    folder = binding("x", files)
    assert f"the service binding {folder}: {expected}" in error()


def test_a_service_has_the_key_in_an_error_too(monkeypatch, binding):
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"x": [{"name": "x", "credentials": {"uri": "http://h canary"}}]}))
    with pytest.raises(architect.ConfigError, match=r"VCAP_SERVICES, x\[0\]: credentials\.uri: a host has no spaces"):
        architect.Resolver().service("x")
    binding("y", {"type": "http", "uri": "http://h canary"})
    with pytest.raises(architect.ConfigError, match=r"bindings/y: uri: a host has no spaces"):
        architect.Resolver().service("y")
