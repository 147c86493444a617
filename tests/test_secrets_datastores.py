"""Whatever a password looks like, and wherever somebody has put it, nothing shows it or a part of it."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from platform_forms import ANY_ENTRY, TEXTS, Entry, in_code, in_connection_string

from architect_cli.commands.env import env
from architect_cli.output.masking import Mask, passwords_in
from architect_core.contract import Credentials
from architect_core.exceptions import ArchitectError
from architect_core.plugins.known import KNOWN

ENGINES = [known for known in KNOWN if known.kind == "engine"]
DELIMITERS = (*"@:/?#%;,&=+ '\"\\{}$<|`~ü日\n\0", "&=", "?=", "/@", ";=", "://", "@?", "%40")
KEYS = (
    "password",
    "token",
    "api_key",
    "secret_access_key",
    "session_token",
    "sslpassword",
    "AccountKey",
    "private_key",
)
SWITCHES = ("ssl", "sslmode", "tls_port", "port", "ca", "secure", "Encrypt", "scheme", "protocol", "region", "dsn")

Form = Callable[[Entry], Credentials]


def secret(delimiter: str) -> str:
    """A password with a delimiter between two parts, each of which has the word that must not show."""
    return f"Q7canary{delimiter}canary9Z"


def urls(scheme: str, password: str) -> Iterator[str]:
    """URLs and lists of them with a password, raw and encoded, as they are written and as they go wrong."""
    encoded = quote(password, safe="")
    yield from (
        f"{scheme}://u:{password}@h/1",
        f"{scheme}://u:{password}@h:12/1?x=1",
        f"{scheme}://:{password}@h",
        f"{scheme}://u:{encoded}@h:1",
        f"{scheme}://u:{password}@a:1,{scheme}://u:{password}@b:1",
        f"{scheme}://u:{encoded}@a:1 {scheme}://u:{encoded}@b:2",
        f"{scheme}://u:{password}@a:1,b:2/x",
        f"{scheme}://u@h/1?password={password}&sslpassword={encoded}",
        f"{scheme}://u:{encoded}@h:x",
        f"{scheme}://u:{encoded}@h?connect_timeout={encoded}",
        f"{scheme}+x://u:{password}@h",
        f"{scheme}://h#{password}",
        f"u:{password}@h",
        *([] if ":" in password else [f"{scheme}://{password}@h"]),  # a token
    )


def strings(password: str) -> Iterator[str]:
    """Connection strings with a password."""
    quoted = password.replace('"', '""')
    yield from (
        f"Host=h;Username=u;Password={password};Database=d",
        f"Password={password};Host=h",
        f'Host=h;Username=u;Password="{quoted}"',
        f"Server=h;Port=3306;Uid=u;Pwd={password}",
        f"h:1,password={password},ssl=true",
        f"AccountEndpoint=https://h;AccountKey={password}",
        f"Endpoint=http://u:{password}@h;Key=k",
        f"Server=tcp:h,1433;Encrypt=True;User Id=u;Password={password}",
        f"jdbc:postgresql://h/d?password={password}",
    )


def entries(engine: str, password: str) -> Iterator[dict[str, Any]]:
    """Entries with a password, in its field and in every other."""
    start = {"type": engine, "host": "h", "username": "u"}
    yield from ({"type": engine, "url": url} for url in urls(engine, password))
    yield from ({"type": engine, "connection_string": string} for string in strings(password))
    yield from ({**start, key: password} for key in (*KEYS, *SWITCHES))
    yield from ({**start, "options": {key: password}} for key in (*KEYS, *SWITCHES))
    yield {**start, "password": password, "port": "x y"}
    yield {"type": engine, "host": f"u:{password}@h"}
    yield {"type": engine, "hosts": [f"u:{password}@h", "b"]}
    yield {"type": engine, "endpoint": f"http://u:{password}@h"}
    yield {**start, "name": f"{engine}://u:{password}@h", "username": f"u:{password}@h", "password": password}
    yield {"type": engine, "host": "h", "username": password}


def texts(form: Form, entry: Entry) -> Iterator[str]:
    """All that credentials show, or the error in place of them."""
    try:
        db = form(entry)
    except ArchitectError as problem:
        yield shown(problem)
        return
    yield from (repr(db), str(db), f"{db}", repr({"db": [db]}))
    for name in ("no_such", "passwor"):
        with pytest.raises(AttributeError) as caught:
            getattr(db, name)
        yield shown(caught.value)
    for driver in (*db._drivers, "no-such"):
        try:
            db.for_driver(driver)  # which holds the password, as drivers need it
        except ArchitectError as problem:
            yield shown(problem)


def shown(problem: BaseException | None) -> str:
    """An error with its attributes and its chain; other files' lines of code are not the user's text."""
    text = ""
    while problem is not None:
        lines = traceback.format_exception_only(problem)
        text += "".join(lines) + repr(problem) + repr(vars(problem)) + repr(problem.args)
        problem = problem.__cause__ or problem.__context__
    return text


def assert_hidden(form: Form, entry: Entry) -> None:
    for text in texts(form, entry):
        assert "canary" not in text, (form.__name__, entry, text)


@pytest.mark.parametrize("known", ENGINES, ids=lambda known: known.name)
def test_no_password_shows_in_what_an_engine_reads(known, caplog):
    with caplog.at_level(logging.DEBUG):
        for delimiter in DELIMITERS[ENGINES.index(known) % 8 :: 8]:
            for entry in entries(known.name, secret(delimiter)):
                assert_hidden(in_code, entry)
    assert "canary" not in caplog.text + "".join(repr(vars(record)) for record in caplog.records)


@pytest.mark.exhaustive
@pytest.mark.parametrize("known", ENGINES, ids=lambda known: known.name)
def test_no_password_shows_under_any_name_of_an_engine(known):
    step = 1 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 8
    for number, name in enumerate((known.name, *known.aliases)):
        for delimiter in DELIMITERS[(number + 4) % step :: step]:
            for entry in entries(name, secret(delimiter)):
                assert_hidden(in_code, entry)


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_no_password_shows_in_what_a_platform_says(delimiter):
    password = secret(delimiter)
    for engine, form in zip(("redis", "postgresql", "influx"), TEXTS, strict=True):
        for url in urls(engine, password):
            assert_hidden(form, {"url": url})
    for string in strings(password):
        assert_hidden(in_connection_string, {"connection_string": string})
    for form in ANY_ENTRY[1:]:
        for entry in entries("redis", password):
            assert_hidden(form, entry)


@pytest.fixture(scope="module")
def every_password() -> dict[str, dict[str, Any]]:
    """Datastores with every password, in URLs, strings and fields."""
    found: list[dict[str, Any]] = []
    for delimiter in DELIMITERS:
        password = secret(delimiter)
        found += [{"url": url} for scheme in ("redis", "influx") for url in urls(scheme, password)]
        found += [{"connection_string": string} for string in strings(password)]
        found += [each for each in entries("postgres", password) if "url" not in each and "port" not in each]
    # a host with a space or a control character is an error of the whole configuration; a user is exported as it is
    hosts = [str(entry.get("host", "h")) for entry in found]
    readable = [
        host.isprintable() and " " not in host and "@" not in str(entry.get("username"))
        for host, entry in zip(hosts, found, strict=True)
    ]
    return {f"d{number}": entry for number, entry in enumerate(compress(found, readable))}


@pytest.mark.parametrize("output", [(), ("--json",), ("--export", "architect"), ("--export", "aspire")])
def test_architect_env_shows_no_password(monkeypatch, every_password, output):
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "me")
    monkeypatch.setenv("ARCHITECT", json.dumps({"me": {"api": None, "datastores": every_password}}))
    done = CliRunner().invoke(env, [*output])
    assert "d0" in done.output
    assert "canary" not in done.output + repr(done.exception)


def test_the_output_of_a_run_shows_no_password_of_a_url():
    for delimiter in DELIMITERS:
        if delimiter in {"\n", "\0", " ", '"', "'", "@?"}:  # ends the URL in any text
            continue
        for url in (f"redis://u:{secret(delimiter)}@h/1", f"redis://u:{quote(secret(delimiter), safe='')}@h"):
            mask = Mask()
            mask.hide(passwords_in(url))
            assert "canary" not in mask.masked(f"connecting to {url} failed")


def test_the_hunt_finds_a_password_that_shows(monkeypatch):
    monkeypatch.setattr(Credentials, "__repr__", lambda db: f"Credentials({dict(db)})")
    with pytest.raises(AssertionError, match="canary"):
        assert_hidden(in_code, {"url": "redis://u:Q7canary@h"})
