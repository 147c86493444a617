"""Doubles, which replace a service in an application's tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from architect_core.contract.provided import Provided


@dataclass(frozen=True)
class DoubleTarget:
    """A service that a test replaces.

    Attributes:
        behaviour: what the service does in the test, in a form that its protocol's `DoubleFactory` documents.
        find_root: returns the folder of the tested service, which holds generated stubs, or raises ArchitectError.
    """

    name: str
    behaviour: Any
    find_root: Callable[[], Path] = field(repr=False)


class Double:
    """Replaces one service in one test.

    Attributes:
        entry: the service's entry in the configuration of the application.
        requests: what the application sent, in order.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.requests: list[Any] = []

    def client(self, make: Callable[[], Any]) -> Any:
        """Returns the application's client: by default the protocol's own, made of `entry`, which tests most."""
        return make()

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """Returns the application's client for asyncio, likewise."""
        return make()

    def close(self) -> None:
        """Release its server and sockets. Called after the test."""


class DoubleFactory(Provided):
    """Makes doubles for the services of one protocol."""

    hook: ClassVar[str] = "architect_double_factory"

    @abstractmethod
    def double(self, target: DoubleTarget) -> Double:
        """Returns a double for one service; raises TypeError if the behaviour's form is not supported."""
