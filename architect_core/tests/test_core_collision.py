"""If architect-sdk 0.2.1 hides `architect.sdk`, loading a plugin says so."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from architect_core.contract import ClientFactory
from architect_core.exceptions import PluginError
from architect_core.plugins import Plugins, loading


def installed(monkeypatch, origin):
    """Makes `origin` the file of `architect.sdk`."""
    monkeypatch.setattr(loading, "find_spec", lambda name: ModuleSpec(name, None, origin=origin))


def test_nothing_is_wrong_with_architect_core_s_own_file():
    assert loading.facade_problem() is None


def test_another_distribution_s_file_is_reported_with_the_line_that_removes_it(monkeypatch, tmp_path):
    (tmp_path / "sdk.py").write_text("import requests")
    installed(monkeypatch, str(tmp_path / "sdk.py"))
    problem = loading.facade_problem()
    assert problem is not None
    assert problem.endswith("run: pip uninstall --yes architect-sdk")


def test_a_file_in_an_archive_is_trusted(monkeypatch):
    installed(monkeypatch, "/archive.zip/architect/sdk.py")
    assert loading.facade_problem() is None


def test_a_plugin_is_not_loaded_and_the_error_has_the_line(monkeypatch, tmp_path):
    (tmp_path / "sdk.py").write_text("import requests")
    installed(monkeypatch, str(tmp_path / "sdk.py"))
    entry = EntryPoint("nest", "no_such_module", "architect")
    monkeypatch.setattr(loading, "entry_points", EntryPoints([entry]).select)
    with pytest.raises(
        PluginError, match=r"'nest' of an unknown distribution cannot be used: architect\.sdk is the one of"
    ):
        Plugins().find(ClientFactory, "nest", "service 'acme/billing'")
