"""Bindings are watched as Kubernetes changes them."""

from __future__ import annotations

import json
import time

import pytest

import architect.sdk as architect

pytestmark = pytest.mark.usefixtures("parser")


def wait_until(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """Writes a binding as Kubernetes does: links to links into a dated folder, of which one is replaced."""
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))

    def write(binding, **files):
        folder = tmp_path / "bindings" / binding
        dated = folder / f"..{time.monotonic_ns()}"
        dated.mkdir(parents=True)
        for name, text in files.items():
            (dated / name).write_text(text)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        (folder / "..new").symlink_to(dated.name)
        (folder / "..new").replace(folder / "..data")

    return write


def has_password(name, password):
    try:
        return architect.datastore(name).password == password
    except architect.UnknownDatastoreError:
        return False


def test_a_secret_that_kubernetes_changes_is_used(kubernetes):
    kubernetes("db", type="generic", password="first")
    assert has_password("db", "first")
    with architect.watch(0.02):
        for password in ("second", "third"):
            kubernetes("db", type="generic", password=password)
            wait_until(lambda password=password: has_password("db", password))


def test_a_new_binding_is_found_after_it_was_added(kubernetes):
    kubernetes("one", type="generic", password="x")
    assert has_password("one", "x")
    with architect.watch(0.02):
        kubernetes("two", type="generic", password="y")
        wait_until(lambda: has_password("two", "y"))


def test_a_watcher_that_was_started_before_anything_was_read_sees_what_is_read_later(kubernetes, tmp_path, monkeypatch):
    def write(password):
        services = {"me": {"api": None, "datastores": {"db": {"type": "generic", "password": password}}}}
        (tmp_path / "new.json").write_text(json.dumps(services))
        (tmp_path / "new.json").replace(tmp_path / "services.json")

    write("first")
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.json"))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "me")
    kubernetes("cache", type="generic", password="first")
    with architect.watch(0.02):
        assert has_password("db", "first")
        assert has_password("cache", "first")
        write("second")
        wait_until(lambda: has_password("db", "second"))
        kubernetes("cache", type="generic", password="second")
        wait_until(lambda: has_password("cache", "second"))
