"""Doubles: what a plugin makes to stand in for a service in an application's tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from architect_core.contract.provided import Provided


@dataclass(frozen=True)
class DoubleTarget:
    """A service that a test stands in for.

    Attributes:
        name: the service's name.
        behaviour: what the test says it does, in a form that its protocol's `DoubleFactory` documents.
        find_root: gives the folder of the service that is tested, where generated stubs lie. Raises ArchitectError
            where there is none.
    """

    name: str
    behaviour: Any
    find_root: Callable[[], Path] = field(repr=False)


class Double:
    """Stands in for one service in one test.

    Attributes:
        entry: the service's entry in the configuration that the application is given.
        requests: what the application asked, in the order of asking.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.requests: list[Any] = []

    def client(self, make: Callable[[], Any]) -> Any:
        """The client that the application gets.

        Args:
            make: makes the protocol's own client of `entry`, which is to be preferred to another: it tests more.
        """
        return make()

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """The client for asyncio that the application gets.

        Args:
            make: as for `client`.
        """
        return make()

    def close(self) -> None:
        """Release what stands in: its server, its sockets. Called after the test."""


class DoubleFactory(Provided):
    """Makes stand-ins for the services of one protocol."""

    hook: ClassVar[str] = "architect_double_factory"

    @abstractmethod
    def double(self, target: DoubleTarget) -> Double:
        """A stand-in for one service; TypeError where the behaviour has a form that means nothing here."""
