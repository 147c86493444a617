"""No secret of any engine shows in a repr or in an error, wherever and however it is written."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ArchitectError
from architect_core.plugins.known import KNOWN

CANARY = "s3cret~canary"
DELIMITERS = (
    "",
    "@",
    ":",
    "/",
    "?",
    "#",
    "%",
    "&",
    "=",
    ";",
    ",",
    "+",
    " ",
    "'",
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    "|",
    "://",
)
ENGINES = [known.name for known in KNOWN if known.kind == "engine"]
SERVERS = ("servers", "bootstrap.servers", "contact-points", "brokers", "nodes", "hosts", "endpoint", "broker_url")
SECRETS = ("token", "api_key", "apiKey", "Key", "sasl.password", "secret_access_key", "session_token", "sas_token")


@pytest.fixture(scope="module", autouse=True)
def no_authorities() -> Iterator[None]:
    """Makes contexts without the system's authorities, which take 20 ms to read."""
    with mock.patch("ssl.create_default_context", return_value=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):
        yield


def forms(engine: str, password: str) -> list[dict[str, Any]]:
    """Entries with a password that is not encoded, and with one that is, in every place."""
    quoted, scheme = quote(password, safe=""), engine
    found: list[dict[str, Any]] = [
        {"host": "h", "username": "u", "password": password},
        {"host": "h", "password": password},
        {"url": f"{scheme}://u:{quoted}@h/d"},
        {"url": f"{scheme}://{quoted}@h/d"},
        {"url": f"{scheme}+tls://u:{quoted}@h/d"},
        {"url": f"{scheme}://u:{password}@h:1/d"},
        {"url": f"{scheme}://u:{password}@a:1,{scheme}://u:{password}@b:1"},
        {"url": f"{scheme}://u:{password}@a:1,u:{password}@b:1"},
        {"url": f"https://u:{password}@h"},
        {"url": f"tls://{quoted}@h"},
        {"connection_string": f"Host=h;Username=u;Password={password}"},
        {"connection_string": f"Endpoint=http://h:6334;Key={password}"},
        {"connection_string": f"h:1,password={password}"},
    ]
    found += [{key: f"{scheme}://u:{password}@h:1"} for key in SERVERS]
    found += [{key: [f"{scheme}://u:{password}@h:1", f"{scheme}://u:{quoted}@i:1"]} for key in SERVERS]
    found += [{key: f"u:{password}@h:1,i"} for key in SERVERS]
    return found + [{"host": "h", key: password} for key in SECRETS]


def shown(entry: dict[str, Any]) -> str:
    """What is printed of an entry, of its arguments' errors, and of the error that refuses it."""
    try:
        db = credentials(**entry)
    except ArchitectError as error:
        return "".join(traceback.format_exception(error)) + repr(error)
    texts = [repr(db), str(db), f"{db}"]
    for driver in {make: name for name, make in db._drivers.items()}.values():
        try:
            db.for_driver(driver)
        except ArchitectError as error:
            texts += [str(error), repr(error), repr(error.__context__), repr(error.__cause__)]
    return "\n".join(texts)


def check(engine: str, delimiters: tuple[str, ...]) -> None:
    for delimiter in delimiters:
        for entry in forms(engine, f"a{delimiter}{CANARY}"):
            for more in ({"type": engine}, {}):
                text = shown({**entry, **more})
                assert CANARY not in text, ({**entry, **more}, text)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_secret_shows(engine):
    check(engine, ("", "@"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", ENGINES)
def test_no_secret_shows_with_any_delimiter_in_it(engine):
    check(engine, DELIMITERS)
