"""Observers: what a plugin learns of the calls of clients, for metrics and traces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from architect_core.contract.provided import Provided


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. None of it holds a login, a header or a path.

    Attributes:
        seconds: how long it took, with all attempts and pauses: until the answer was read, or the head of one that is
            streamed in parts.
        error: what went wrong: the name of the exception's type, or the status that says so, such as "503" or
            "UNAVAILABLE"; None where nothing did.
        attempts: how often it was sent, 0 where it was not; None where that is not known.
        instance: where its last attempt was made, such as "http://10.0.0.1:8080"; None where that is not known.
    """

    seconds: float
    error: str | None = None
    attempts: int | None = None
    instance: str | None = None


class Health(Protocol):
    """What a client knows of its service's instances. It lives as long as the client does."""

    @property
    def ejected(self) -> Sequence[str]:
        """The instances that are ejected: they failed, and get no calls now."""

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open, so that nothing is sent to any of them."""


class BegunCall(Protocol):
    """What an observer made of a call that begins.

    Attributes:
        headers: what is sent along with it, such as a trace's context; names are in lower case.
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """See the class."""

    def ended(self, outcome: Outcome) -> None:
        """It ended, in whichever thread."""


class ClientObserver(ABC):
    """Is told of one client's calls, in whichever thread makes them."""

    @abstractmethod
    def ended(self, outcome: Outcome) -> None:
        """A call ended. What a redirect of it sends to the same service is another; what it sends elsewhere is none."""

    def begin(self, rpc: str) -> BegunCall | None:  # noqa: ARG002 - for those who override it
        """A gRPC call begins, such as one of "/acme.v1.Payments/Pay"; gives who is told of its end, None for this."""
        return None

    def made(self, client: Any) -> None:  # noqa: B027 - likewise
        """The client is there: what `service(name).client` or `aio.client` gives. Nothing was called with it yet."""

    def watch(self, health: Health) -> None:  # noqa: B027 - likewise
        """What tells from now on how the client's instances are. It must be kept by a weak reference alone."""


class Observer(Provided):
    """Watches the clients of one process, for metrics and traces. One instance serves all services, in any thread."""

    hook: ClassVar[str] = "architect_observer"

    @abstractmethod
    def observe(self, service: str, protocol: str) -> ClientObserver:
        """What is told of a client's calls, asked for just before the client is made.

        Args:
            service: the service's name.
            protocol: its `api`, such as "rest".
        """
