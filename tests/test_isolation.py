"""A program imports only the protocols that it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspace import clean_environ

PROTOCOLS = ("requests", "urllib3", "grpc", "google.protobuf", "pydantic", "psycopg", "psycopg2", "redis", "pymysql")


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


@pytest.mark.parametrize("engine", ["postgres", "mysql", "redis", "sqlite"])
def test_resolving_a_datastore_imports_neither_a_driver_nor_a_protocol(engine):
    config = '{"a": {"datastores": {"db": {"type": "%s", "host": "h", "name": "0"}}}}' % engine  # noqa: UP031 - braces
    environ = {"ARCHITECT": config, "ARCHITECT_CURRENT_SERVICE": "a"}
    modules = loaded_by("import architect.sdk as a; a.datastore('db')", **environ)
    assert f"architect_datastore.{engine}" in modules
    assert not modules & (set(PROTOCOLS) - {"pydantic"})
