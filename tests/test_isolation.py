"""A program imports only the protocols that it uses."""

from __future__ import annotations

import json
import subprocess
import sys

from workspace import clean_environ

PROTOCOLS = (
    *("requests", "urllib3", "grpc", "google.protobuf", "pydantic", "psycopg", "psycopg2", "redis", "pymysql"),
    *("aio_pika", "boto3", "architect_events", "architect_rabbitmq", "architect_sqs"),
)


def loaded_by(program: str, **environ: str) -> set[str]:
    """Return the modules that `program` imported."""
    command = [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"]
    done = subprocess.run(command, env=clean_environ(**environ), capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_importing_the_sdk_imports_no_protocol_and_no_pydantic():
    command = [sys.executable, "-X", "importtime", "-c", "import architect.sdk"]
    report = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, timeout=60, check=True).stderr
    modules = {line.rpartition("|")[2].strip() for line in report.splitlines() if line.startswith("import time:")}
    assert "architect.sdk" in modules
    assert not modules & set(PROTOCOLS)
    assert not loaded_by("import architect.sdk") & set(PROTOCOLS)


def test_resolving_a_rest_service_imports_no_grpc():
    config = '{"acme/billing": {"host": "billing", "port": 1, "api": "rest"}}'
    modules = loaded_by("import architect.sdk as a; a.service('acme/billing').client", ARCHITECT=config)
    assert "requests" in modules
    assert not {name for name in modules if name.split(".")[0] in {"grpc", "google", "architect_grpc", "architect_cli"}}


def test_resolving_a_datastore_imports_neither_a_driver_nor_a_protocol():
    engines = ["postgres", "mysql", "redis", "sqlite"]
    datastores = {engine: {"type": engine, "host": "h", "name": "0"} for engine in engines}
    environ = {"ARCHITECT": json.dumps({"a": {"datastores": datastores}}), "ARCHITECT_CURRENT_SERVICE": "a"}
    modules = loaded_by(f"import architect.sdk as a; [a.datastore(name) for name in {engines}]", **environ)
    assert {f"architect_datastore.{engine}" for engine in engines} <= modules
    assert not modules & (set(PROTOCOLS) - {"pydantic"})


def test_publishing_to_a_subscriber_imports_no_broker_and_no_database():
    entries = {"a": {"subscriptions": {"e": {"m": {}}}}, "m": {"host": "127.0.0.1", "port": 1, "api": "rest"}}
    environ = {"ARCHITECT": json.dumps(entries), "ARCHITECT_CURRENT_SERVICE": "a"}
    modules = loaded_by("import architect.sdk as a; a.notification('e').publish({})", **environ)
    assert "architect_rest.webhooks.channel" in modules
    assert not modules & (set(PROTOCOLS) - {"pydantic", "architect_events"})
    assert not {name for name in modules if name.startswith("architect_events.consuming")}
