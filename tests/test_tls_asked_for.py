"""TLS that is asked for in any spelling, on any platform, reaches every driver, or is an error."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from platform_forms import ANY_ENTRY, TEXTS, Entry, in_code, in_uri_beside_a_host, in_vcap

from architect_core.contract import Credentials
from architect_core.exceptions import ArchitectError
from architect_core.plugins.known import KNOWN

MANY = 10_000 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 1_000
_ALWAYS_OR_NEVER = {"bigquery", "duckdb", "generic", "sqlite", "sqs"}
ENGINES = sorted(
    name
    for known in KNOWN
    if known.kind == "engine" and known.name not in _ALWAYS_OR_NEVER
    for name in (known.name, *known.aliases)
    if "+" not in name and name != "unix"
)
SECURE = ("rediss", "valkeys", "amqps", "clickhouses")
TRUE = st.sampled_from(["true", "1", "yes", "on", "True", "required"])
SWITCHES = st.sampled_from(
    [
        "ssl",
        "tls",
        "use_ssl",
        "use-tls",
        "useSSL",
        "UseSsl",
        "require_ssl",
        "sslEnabled",
        "tls_enabled",
        "enable_tls",
        "with_tls",
        "is_ssl",
        "ssl_required",
        "sslOn",
        "force_ssl",
        "encrypt",
        "Encrypt",
        "encrypted",
        "secure",
        "ssl_only",
    ]
)
MODES = st.sampled_from(["sslmode", "ssl-mode", "ssl_mode", "sslMode", "SSLMODE", "tls_mode", "tlsMode"])
FILES = st.sampled_from(["ssl_ca", "ssl-ca", "ssl_ca_certs", "tlsCAFile", "ca_certs", "cacertfile", "ca_cert", "ca"])
PORTS = st.sampled_from(
    ["tls_port", "ssl_port", "tls-port", "tlsPort", "sslPort", "port_tls", "secure_port", "https_port"]
)
SCHEMES = st.sampled_from(["https", "tls", "ssl", "amqp+ssl", "redis+tls"])
DOTNET = st.sampled_from(
    [
        "SSL Mode=Require",
        "SslMode=Required",
        "Ssl Mode=VerifyCA",
        "sslmode=verify-full",
        "Encrypt=True",
        "Encrypt=Strict",
        "Use SSL=true",
        "UseSsl=True",
        "Ssl=yes",
        "Protocol=https",
        "TLS=true",
        "Ssl Enabled=true",
    ]
)
PEM = "-----BEGIN CERTIFICATE-----"

WITHOUT = re.compile(
    r"ssl_disabled': true|'ssl': false|sslmode=(disable|allow|prefer)|sslmode': '(disable|allow|prefer)|http://"
    r"|ssl_mode': '(disabled|preferred)|encrypt': '\{no|encrypt%3d%7bno|tls=false|encryption': 'off|plaintext'"
)
WITH = re.compile(
    r"sslmode=(require|verify)|sslmode': '(require|verify)|sslcontext|ssl_mode': '(required|verify)|'ssl': |rediss://"
    r"|amqps://|https://|tls=true|mongodb\+srv://|encrypt': '\{yes|encrypt%3d%7byes|encryption': 'require|tcps"
    r"|'interface': 'https|'tls': |'https': true|\+s(sc)?://|_ssl'|'protocol': 'https"
)
Form = Callable[[Entry], Credentials]


@pytest.fixture(scope="module", autouse=True)
def no_authorities() -> Iterator[None]:
    """Makes contexts without the system's authorities, which take 20 ms to read."""
    with mock.patch("ssl.create_default_context", return_value=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):
        yield


@st.composite
def asking(draw: st.DrawFn) -> tuple[Form, dict[str, Any]]:
    """An entry that asks for TLS in one spelling, and the form that it is read in."""
    engine, port = draw(st.sampled_from(ENGINES)), draw(st.none() | st.integers(1, 65535))
    host = "u:p@h" if port is None else f"u:p@h:{port}"
    url = f"{engine}://{host}"
    key, mode = draw(SWITCHES), draw(st.sampled_from(["require", "verify-full"]))
    by_url = draw(
        st.sampled_from(
            [
                f"{engine}+{draw(st.sampled_from(['tls', 'ssl', 'https', 's', 'TLS']))}://{host}",
                f"{draw(st.sampled_from(SECURE))}://{host}",
                f"{url}?{key}={draw(TRUE)}",
                f"{url}?{draw(MODES)}={mode}",
                f"{url}?{draw(SWITCHES)}={draw(TRUE)}&connect_timeout=3",
            ]
        )
    )
    start = {"type": engine, "host": "h", "username": "u", "password": "p", **({"port": port} if port else {})}
    keys: dict[str, Any] = draw(
        st.sampled_from(
            [
                {key: draw(TRUE)},
                {draw(MODES): mode},
                {draw(PORTS): "4321"},
                {draw(PORTS): "4321", "port": "1"},
                {draw(SWITCHES): draw(TRUE), draw(st.sampled_from(["ssl_verify", "tlsInsecure"])): "true"},
                {draw(FILES): PEM},
                {"scheme": draw(SCHEMES)},
                {"protocol": draw(SCHEMES)},
                {"options": {"sslmode": mode}},
            ]
        )
    )
    by_keys = draw(st.sampled_from([{**start, **keys}, {"type": engine, "url": url, **keys}]))
    string = f"Host=h;Username=u;Password=p{f';Port={port}' if port else ''};{draw(DOTNET)}"
    https = {"type": draw(st.sampled_from(["elasticsearch", "clickhouse", "s3", "minio"])), "url": f"https://{host}"}
    return draw(
        st.one_of(
            st.tuples(st.sampled_from((*ANY_ENTRY, *TEXTS, in_uri_beside_a_host)), st.just({"url": by_url})),
            st.tuples(st.sampled_from(ANY_ENTRY), st.just(by_keys)),
            st.tuples(st.just(in_code), st.just({"type": engine, "connection_string": string})),
            st.tuples(st.sampled_from((in_code, in_vcap)), st.just({**start, key: draw(st.sampled_from([True, 1]))})),
            st.tuples(st.sampled_from(ANY_ENTRY), st.just(https)),
        )
    )


def drivers_without_tls(db: Credentials) -> list[str]:
    """The drivers that would connect without TLS, or might, with their arguments."""
    found = []
    for driver in db._drivers:
        try:
            text = repr(db.for_driver(driver)).lower()
        except ArchitectError:  # the driver does not support what is asked for
            continue
        is_aws = driver in {"boto3", "aioboto3", "aiobotocore"} and "endpoint_url" not in text
        if WITHOUT.search(text) or not (is_aws or WITH.search(text)):
            found.append(driver)
    return found


def check(asked: tuple[Form, dict[str, Any]]) -> None:
    form, entry = asked
    # PostgreSQL's own meaning of a file is to verify the certificate of a server that has TLS
    if any(str(value).startswith(PEM) for value in entry.values()) and form not in {in_code, in_vcap}:
        return
    try:
        db = form(entry)
    except ArchitectError:
        return  # an error loses nothing
    assert drivers_without_tls(db) == [], (form.__name__, entry)


@given(asking())
@settings(max_examples=150, deadline=None)
def test_tls_reaches_every_driver(asked):
    check(asked)


@pytest.mark.exhaustive
@given(asking())
@settings(max_examples=MANY, deadline=None)
def test_tls_reaches_every_driver_at_length(asked):
    check(asked)


def test_the_property_finds_tls_that_is_lost():
    assert drivers_without_tls(in_code({"url": "redis://h"})) == ["redis", "redis-py"]
    assert drivers_without_tls(in_code({"url": "rediss://h"})) == []
    assert "psycopg" in drivers_without_tls(in_code({"url": "postgresql://h?sslmode=prefer"}))


@pytest.mark.parametrize(
    ("form", "entry"),
    [
        (in_uri_beside_a_host, {"url": "redis+tls://:p@h"}),
        (in_uri_beside_a_host, {"url": "rediss://:p@h"}),
        (in_uri_beside_a_host, {"url": "mongodb+srv://u:p@h"}),
        (in_vcap, {"type": "redis", "host": "h", "scheme": "rediss"}),
        (in_vcap, {"type": "redis", "host": "h", "port": 1, "https_port": 2}),
        (in_vcap, {"type": "mongodb", "host": "h", "ca_certs": PEM}),
        (in_vcap, {"type": "mysql", "host": "h", "enable_ssl": "enabled"}),
        (in_code, {"type": "amqp", "host": "h", "protocol": "amqp+ssl"}),
        (in_code, {"type": "mysql", "host": "h", "tls_mode": "VERIFY_CA"}),
        (in_code, {"type": "redis", "host": "h", "tlsCAFile": "/ca.pem"}),
        (in_code, {"url": "postgresql://h?sslMode=require"}),
        (in_code, {"url": "postgresql://h?SSLMODE=verify-full"}),
        (in_code, {"url": "postgresql://h?requiressl=1"}),
        (in_code, {"url": "mongodb://h/?sslMode=require"}),
    ],
)
def test_tls_that_was_lost_once(form, entry):
    assert drivers_without_tls(form(entry)) == []


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("mongodb://h/?secure=true", "secure"),
        ("mongodb://h/?ssl_ca=/ca.pem", "ssl_ca"),
        ("mssql://h/?enableSSL=true", "enableSSL"),
        ("postgresql://h/?encrypt=yes", "encrypt"),
        ("postgresql://h/?tlsCAFile=/ca.pem", "tlsCAFile"),
    ],
)
def test_an_option_of_tls_that_an_engine_does_not_have_is_an_error(url, key):
    with pytest.raises(ArchitectError, match=rf"url\.{key}: asks for TLS in a way that \w+ does not have"):
        in_code({"url": url})
