"""Django's geographic backends, which have URL schemes and entry points of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from architect_core.contract import Credentials, Driver
from architect_datastore.kit.network import NetworkParser


class GeographicParser(NetworkParser):
    """A parser of an engine that Django has two backends for."""

    geographic: ClassVar[Mapping[str, str]] = {}
    """A scheme or entry point -> Django's backend for it."""

    def drivers_of(self, *names: str) -> Mapping[str, Driver]:
        """Returns Django's geographic backend if it is asked for."""
        backend = next((self.geographic[name] for name in names if name in self.geographic), None)
        if backend is None:
            return self.drivers
        return {**self.drivers, "django": partial(_with_backend, make=self.drivers["django"], backend=backend)}


def _with_backend(db: Credentials, make: Driver, backend: str) -> dict[str, Any]:
    return {**make(db), "ENGINE": backend}
