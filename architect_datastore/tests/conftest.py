"""A clean environment, and the credentials of an entry."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from datastore_certificates import Files, make_certificates

from architect_core.resolver import Resolver


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ARCHITECT_SERVICE", "ARCHITECT_CURRENT")) or name == "ARCHITECT":
            monkeypatch.delenv(name)


@pytest.fixture
def datastore() -> Callable[..., Any]:
    """Gives the credentials of a datastore with the entry that is passed."""

    def resolve(**entry: Any) -> Any:
        config = {"acme/orders": {"datastores": {"primary_db": entry}}}
        return Resolver(config, current_service="acme/orders", root="/nowhere").datastore("primary_db")

    return resolve


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
