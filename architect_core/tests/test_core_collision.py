"""Where architect-sdk 0.2.1 replaced or removed `architect.sdk`, loading a plugin says so."""

from __future__ import annotations

from importlib.machinery import ModuleSpec

import pytest

from architect_core.contract import ClientFactory
from architect_core.exceptions import PluginError
from architect_core.plugins import Plugins, collision, loading

REINSTALL = "pip install --force-reinstall --no-deps architect-core"


def installed(monkeypatch, origin):
    """Makes `origin` the file of `architect.sdk`; None stands for a folder without one."""
    monkeypatch.setattr(collision, "find_spec", lambda name: ModuleSpec(name, None, origin=origin))


def test_nothing_is_wrong_with_architect_core_s_own_file():
    assert collision.facade_problem() is None


def test_a_missing_file_is_reported_with_the_line_that_restores_it(monkeypatch):
    installed(monkeypatch, None)
    problem = f"architect.sdk was removed together with architect-sdk 0.2.1. To restore it, run: {REINSTALL}"
    assert collision.facade_problem() == problem
    monkeypatch.setattr(collision, "find_spec", lambda name: __import__("no_such_module"))
    assert collision.facade_problem() == problem


def test_another_distribution_s_file_is_reported_with_the_line_that_restores_ours(monkeypatch, tmp_path):
    (tmp_path / "sdk.py").write_text("import requests")
    installed(monkeypatch, str(tmp_path / "sdk.py"))
    problem = collision.facade_problem()
    assert problem is not None
    assert problem.endswith(f"run: pip uninstall --yes architect-sdk && {REINSTALL}")


def test_a_file_in_an_archive_is_trusted(monkeypatch):
    installed(monkeypatch, "/archive.zip/architect/sdk/__init__.py")
    assert collision.facade_problem() is None


def test_a_plugin_is_not_loaded_and_the_error_has_the_line(monkeypatch):
    installed(monkeypatch, None)
    entry = loading.EntryPoint("nest", "no_such_module", "architect")
    monkeypatch.setattr(Plugins, "installed", lambda self, name: [entry])
    with pytest.raises(
        PluginError, match=r"'nest' of an unknown distribution cannot be used: architect\.sdk was removed"
    ):
        Plugins().find(ClientFactory, "nest", "service 'acme/billing'")
