"""Secrets are not printed, logged, raised, or shown in the list of processes."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import pickle
import socket
import subprocess
import textwrap
import traceback
from urllib.parse import quote

import psutil
import pytest
from programs import COMMAND, call_command
from workspace import clean_environ

import architect.sdk as architect
from architect_core.schema import config as config_module

CANARY = "s3cret~canary"


@pytest.fixture(autouse=True)
def forget():
    architect.reset()  # another test may have left a resolver
    yield
    architect.reset()


@pytest.fixture
def environ(tmp_path):
    """Every source and field that may hold a secret, with the canary in each."""
    (tmp_path / "secret").write_text(CANARY)
    binding = tmp_path / "bindings" / "bound-db"
    binding.mkdir(parents=True)
    for key, value in {"type": "postgresql", "host": "h", "password": CANARY, "token": CANARY}.items():
        (binding / key).write_text(value)
    (tmp_path / "cert.pem").write_text(CANARY)
    url = quote(CANARY, safe="")
    datastores = {
        "fields": {"type": "postgres", "host": "h", "username": "u", "password": CANARY, "SECRET_KEY": CANARY},
        "url": {"url": f"postgresql://u:{url}@h/x?sslpassword={url}"},
        "pointed": {"type": "mysql", "host": "h", "password": {"$file": str(tmp_path / "secret")}},
        "wrong-port": {"type": "postgres", "host": "h", "port": 1, "password": CANARY, "options": {"no_such": CANARY}},
        "wrong-url": {"type": "postgres", "url": f"postgresql://u:{url}@h:{CANARY}/x"},
    }
    datastores |= {
        "cut": {"url": f"postgresql://u:12/{CANARY}@h/x"},
        "cut-by-query": {"url": f"mysql://u:12?{CANARY}=@h/x"},
        "string": {"url": f"mssql://sa@h/x;password={CANARY}"},
        "no-text": {"type": "generic", "host": "h", "password": {"$env": "NO_TEXT"}},
    }
    services = {
        "acme/shop": {
            "api": None,
            "datastores": datastores,
            "subscriptions": {
                "placed": {
                    "acme/billing": {
                        "uri": f"/x?token={CANARY}",
                        "headers": {"x-token": CANARY, "authorization": CANARY},
                    }
                }
            },
        },
        "acme/billing": {"host": f"http://u:{url}@127.0.0.1", "port": dead_port(), "api": "rest", "token": CANARY},
        "acme/token": {
            "host": "http://127.0.0.1",
            "port": dead_port(),
            "api": "rest",
            "options": {"auth": {"bearer": CANARY, "headers": {"X-Key": CANARY}}},
        },
        "acme/login": {
            "host": "127.0.0.1",
            "port": dead_port(),
            "api": "grpc",
            "options": {"auth": {"username": "u", "password": CANARY}},
        },
        "wrong-auth": {
            "host": "h",
            "port": 1,
            "api": "rest",
            "options": {"auth": {"bearer": f"{CANARY}\n", "username": CANARY, "no_such": CANARY}},
        },
        "cut": {"host": f"http://u:12/{CANARY}@h", "port": 12, "api": "rest"},
        "wrong": {"host": f"http://u:{url}@[broken", "api": "rest", "options": {"key": CANARY}},
    }
    return {
        "ARCHITECT": json.dumps(services),
        "ARCHITECT_CURRENT_SERVICE": "acme/shop",
        "SERVICE_BINDING_ROOT": str(tmp_path / "bindings"),
        "VCAP_SERVICES": json.dumps({"x": [{"name": "vcap-db", "credentials": {"uri": f"redis://:{url}@h"}}]}),
        "ConnectionStrings__aspire-db": f"postgresql://u:{url}@h/x",
        "URL_DB_URL": f"postgresql://u:{url}@h/x",
        "CUT_DB_URL": f"postgresql://u:12/{CANARY}@h/x",
        "NO_TEXT": CANARY,
    }


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def forms() -> list[str]:
    """Return the encodings in which the secret may appear."""
    encoded = base64.b64encode(f"u:{CANARY}".encode()).decode()
    return [CANARY, quote(CANARY, safe=""), json.dumps(CANARY)[1:-1], encoded]


def found_in(text: str) -> bool:
    return any(form in text for form in forms())


def shown_by(problem: BaseException) -> str:
    """Return what an error shows, with its causes, notes and attributes."""
    text, pending, seen = "", [problem], set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        text += "".join(traceback.format_exception(each)) + repr(each) + repr(getattr(each, "__notes__", ()))
        # attributes of other libraries' errors, such as the request, are theirs
        text += repr(vars(each)) if isinstance(each, architect.ArchitectError) else ""
        errors = getattr(each, "errors", None)
        text += repr(errors()) if callable(errors) else ""
        pending += [each.__cause__, each.__context__]
    return text


def shown_by_everything() -> dict[str, str]:
    """Return the repr, str and format of every public object, or the error that it raises, by name."""
    shown: dict[str, str] = {}

    def show(name, create):
        try:
            value = create()
        except Exception as problem:
            shown[name] = shown_by(problem)
        else:
            shown[name] = "".join(
                [repr(value), str(value), f"{value}", f"{value!s:>3}", repr([value]), repr(dir(value))]
            )
            return value
        return None

    resolver = show("resolver", architect.Resolver)
    show("catalog", lambda: resolver.catalog)
    for layer in resolver.catalog.layers:
        show(f"source {layer.name}", lambda layer=layer: layer.source)
        show(f"configuration {layer.name}", lambda layer=layer: layer.configuration)
    for name in ("acme/shop", "acme/billing", "acme/token", "acme/login", "wrong-auth", "cut", "wrong", "no-such"):
        service = show(f"service {name}", lambda name=name: architect.service(name))
        show(f"config {name}", lambda service=service: service.config)
        show(f"client {name}", lambda service=service: service.client)
        show(f"found {name}", lambda name=name: resolver.catalog.service(name))
    for name in (
        "fields",
        "url",
        "pointed",
        "wrong-port",
        "wrong-url",
        "cut",
        "cut-by-query",
        "string",
        "no-text",
        "bound-db",
        "vcap-db",
        "aspire-db",
        "url-db",
        "cut-db",
        "none",
    ):
        show(f"datastore {name}", lambda name=name: architect.datastore(name))
        show(f"attribute of {name}", lambda name=name: architect.datastore(name).no_such)
        show(f"driver of {name}", lambda name=name: architect.datastore(name).for_driver("no-such"))
    event = show("event", lambda: architect.notification("placed"))
    show("subscriptions", lambda: event.subscriptions)
    deliveries = show("deliveries", lambda: event.publish({"id": 7}, timeout=1))
    for delivery in deliveries or ():
        shown["delivery error"] = shown_by(delivery.error)
    show("call", lambda: architect.service("acme/billing").client.get("/x", timeout=1))
    show("call with a token", lambda: architect.service("acme/token").client.get("/x", timeout=1))
    show("auth", lambda: architect.service("acme/token").client.auth)
    for name in ("acme/billing", "acme/token", "acme/login", "wrong-auth"):

        async def call(name=name):
            service = architect.service(name).aio
            show(f"aio {name}", lambda: service)
            show(f"aio client {name}", lambda: service.client)
            show(f"aio auth {name}", lambda: service.client.auth)
            await service.client.get("/x", timeout=1)

        show(f"aio call {name}", lambda call=call: asyncio.run(call()))
    show("changes", architect.reload)
    with architect.watch(60) as watcher:
        show("watcher", lambda: watcher)
    return shown


def test_no_repr_error_or_log_line_shows_a_secret(environ, monkeypatch, caplog):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.DEBUG):
        shown = shown_by_everything()
    shown["logs"] = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert {name for name, text in shown.items() if found_in(text)} == set()
    # the configuration does contain the secret
    assert architect.datastore("fields").password == architect.datastore("pointed").password == CANARY
    assert architect.datastore("bound-db").password == architect.datastore("aspire-db").password == CANARY


def test_these_tests_find_a_secret_that_is_not_masked(environ, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(config_module.Config, "__repr_args__", lambda self: list(self.items()))
    monkeypatch.setattr(architect.Credentials, "__repr__", lambda self: repr(dict(self)))
    found = {name for name, text in shown_by_everything().items() if found_in(text)}
    assert {"config acme/billing", "datastore fields", "datastore bound-db"} <= found


def test_credentials_have_their_password_as_an_attribute_and_when_unpickled(environ, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    db = architect.datastore("fields")
    assert type(db.password) is str
    assert pickle.loads(pickle.dumps(db)).password == CANARY
    assert not found_in(repr(pickle.loads(pickle.dumps(db))))


@pytest.mark.parametrize(
    "arguments",
    [
        ("env",),
        ("env", "--json"),
        ("env", "acme/billing"),
        ("env", "fields"),
        ("env", "bound-db"),
        ("env", "no-such"),
        ("env", "--export", "ARCHITECT"),
        ("env", "--export", "aspire"),
        ("env", "--export", "compose"),
        ("env", "--export", "bindings", "--folder", "out"),
        ("plugins",),
        ("plugins", "--json"),
        ("install",),
        ("no-such",),
        ("--help",),
    ],
)
def test_no_command_prints_a_secret(environ, tmp_path, arguments):
    done = call_command(*arguments, cwd=tmp_path, **environ)
    assert not found_in(done.output)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or not found_in(path.read_text())


def test_a_run_that_cannot_start_prints_no_secret(environ, tmp_path):
    done = subprocess.run(
        [COMMAND, "run", "."], cwd=tmp_path, env=clean_environ(**environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert not found_in(done.stdout + done.stderr)


def test_a_run_shows_no_secret_in_its_output_or_the_list_of_processes(tmp_path):
    program = """
        import os, time
        print("token", os.environ["TOKEN"], os.environ["ARCHITECT"], flush=True)
        time.sleep(60)
    """
    database = {"type": "sqlite", "parameters": {"PASSWORD": {"default": CANARY, "alias": "password"}}}
    manifest = {"name": "a/root", "parameters": {"TOKEN": {}}, "datastores": {"db": database}}
    (tmp_path / "architect.json").write_text(json.dumps(manifest))
    (tmp_path / "main.py").write_text(textwrap.dedent(program))
    overrides = {"services": {"a/root": {"parameters": {"TOKEN": CANARY}}}}
    (tmp_path / "overrides.json").write_text(json.dumps(overrides))
    command = [COMMAND, "run", str(tmp_path), "--config", str(tmp_path / "overrides.json")]
    with subprocess.Popen(
        command,
        env=clean_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "token" in line:
                break
        titles = [" ".join(each.cmdline()) for each in psutil.Process(process.pid).children(recursive=True)]
        titles += command
        process.terminate()
        lines += process.stdout.readlines()
    assert any("token ***" in line for line in lines)
    assert not found_in("".join(lines))
    assert any("main.py" in title for title in titles)
    assert not found_in(" ".join(titles))
