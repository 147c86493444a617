"""Observers of the calls of clients, for metrics and traces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from architect_core.contract.events import Message
from architect_core.contract.hooks import Provided

EventOperation = Literal["publish", "relay", "handle"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. None of it holds a login, a header or a path.

    Attributes:
        seconds: the duration, with all attempts and pauses, until the answer, or the head of a streamed one, was read.
        error: the name of the exception's type, or the status, such as "503" or "UNAVAILABLE"; None for a success.
        attempts: how often it was sent, 0 included; None if not known.
        instance: the endpoint of the last attempt, such as "http://10.0.0.1:8080"; None if not known.
    """

    seconds: float
    error: str | None = None
    attempts: int | None = None
    instance: str | None = None


class Health(Protocol):
    """A client's view of its service's instances; lives as long as the client."""

    @property
    def ejected(self) -> Sequence[str]:
        """The instances that are ejected: after failures, no calls are sent to them for a time."""

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open, so that no call is sent to any instance."""


class BegunCall(Protocol):
    """An observed call that has begun."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Sent with the call, such as a trace's context; names are in lower case."""

    def ended(self, outcome: Outcome) -> None:
        """Called at the end of the call, in any thread."""


class ClientObserver(ABC):
    """Observes one client's calls; its methods are called in any thread."""

    @abstractmethod
    def ended(self, outcome: Outcome) -> None:
        """Called at the end of each call. A redirect to the same service counts as a call, one elsewhere does not."""

    def begin(self, rpc: str) -> BegunCall | None:  # noqa: ARG002 - for subclasses
        """Called when a gRPC call begins, such as "/acme.v1.Payments/Pay".

        The result observes its end; if it is None, `ended` of this object is called.
        """
        return None

    def made(self, client: Any) -> None:  # noqa: B027 - likewise
        """Called with the new `service(name).client` or `aio.client`, before its first call."""

    def watch(self, health: Health) -> None:  # noqa: B027 - likewise
        """Called with the health of the client's instances; keep no reference to it but a weak one."""

    def begin_event(self, operation: EventOperation, message: Message) -> BegunCall | None:  # noqa: ARG002 - likewise
        """Called when a message is about to be published, relayed or handled; the result observes the end of that.

        The headers of the message have the trace's context of the publication, unless it begins now; the headers of the
        result become those of the message.
        """
        return None

    def backlog(self, pending: int, oldest: float, dead: int) -> None:  # noqa: B027 - likewise
        """Called at times with the number of events to deliver, the age of the oldest in seconds, and the dead ones."""


class Observer(Provided):
    """Watches the clients of one process, for metrics and traces. One instance serves all services, in any thread."""

    hook: ClassVar[str] = "architect_observer"

    @abstractmethod
    def observe(self, service: str, protocol: str) -> ClientObserver:
        """Returns the observer of a service's client; called just before the client is made.

        `protocol` is the service's `api`, such as "rest".
        """
