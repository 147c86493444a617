"""An environment without configuration, an engine that any datastore can have, and helpers to configure one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import architect.sdk as architect

PARSER = """
from architect_core.contract import CredentialParser, Credentials, hookimpl

ARCHITECT_CONTRACT = 2

class Parser(CredentialParser):
    def credentials(self, target):
        return Credentials(target.engine, dict(target.config))

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No variable of architect or a platform, and a working directory without a manifest."""
    for name in list(os.environ):
        if name.startswith(("ARCHITECT", "services__", "ConnectionStrings__")) or name.endswith("_URL"):
            monkeypatch.delenv(name)
    for name in ("SERVICE_BINDING_ROOT", "VCAP_SERVICES"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    architect.reset()


@pytest.fixture
def parser(install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the engines that are installed, one that takes any entry and no options."""
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-datastore")
    install_plugin(
        "architect-any", dict.fromkeys(("generic", "postgres", "postgresql"), "any_parser"), {"any_parser": PARSER}
    )


@pytest.fixture
def binding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a service binding with these files; returns its folder."""

    def make(name: str, files: Mapping[str, str]) -> Path:
        folder = tmp_path / "bindings" / name
        folder.mkdir(parents=True)
        for key, value in files.items():
            (folder / key).write_text(value)
        monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
        return folder

    return make
