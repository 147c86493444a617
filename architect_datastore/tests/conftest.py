"""A clean environment, and the credentials of an entry."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from datastore_certificates import Files, make_certificates
from datastore_reading import credentials
from hypothesis import settings

settings.register_profile("architect", deadline=None)  # examples run side by side with other tests
settings.load_profile("architect")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ARCHITECT_SERVICE", "ARCHITECT_CURRENT")) or name == "ARCHITECT":
            monkeypatch.delenv(name)


@pytest.fixture
def collected() -> Iterator[None]:
    """Collects the connections that a driver does not close, while their warnings are ignored."""
    yield
    gc.collect()


@pytest.fixture
def datastore() -> Callable[..., Any]:
    """Returns the credentials of a datastore with the entry that is passed."""
    return credentials


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificates(tmp_path_factory.mktemp("certificates"))
