"""What receives the requests to a double, whichever client sends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from requests.structures import CaseInsensitiveDict

from architect_core.exceptions import ArchitectError
from architect_rest.sync.urls import origin_sent_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests import PreparedRequest


class UnansweredError(ArchitectError, AssertionError):
    """The application sent a request that the double has no answer for.

    It is no `requests.RequestException`, so that an application does not mistake it for a network error.
    """


@dataclass(frozen=True)
class Received:
    """A request as a server receives it."""

    request: PreparedRequest
    body: bytes
    base: str  # the service's base path, if the request's path is below it

    @cached_property
    def url(self) -> SplitResult:
        """The parts of its URL."""
        return urlsplit(self.request.url or "")

    @property
    def port(self) -> int:
        """The port of its URL, or the scheme's own."""
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Its headers. A body that was sent in chunks has a length, as from a proxy that buffers it."""
        found = CaseInsensitiveDict({"Host": self.url.netloc.rpartition("@")[2], **self.request.headers})
        if found.pop("Transfer-Encoding", None) is not None:
            found["Content-Length"] = str(len(self.body))
        return [(name, value.decode("latin-1") if isinstance(value, bytes) else value) for name, value in found.items()]


@dataclass(frozen=True)
class Reply:
    """An answer whose body is produced as far as it is read: `first`, and then the iterator `rest`, which is closed."""

    status: int
    headers: Sequence[tuple[str, str]]
    first: bytes
    rest: Any
    reason: str | None = None  # the usual one of the status, unless given


class Behaviour(ABC):
    """What answers the requests to a double."""

    @abstractmethod
    def respond(self, received: Received) -> Reply:
        """The reply to a request; an exception is raised in the test."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """End: the test is over."""


class StandIn:
    """Receives and records requests.

    Attributes:
        behaviour: what answers them.
        requests: the requests that were received; a body that can be read only once is bytes in them.
    """

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[PreparedRequest] = []
        self._name = name
        self._is_closed = False

    def receive(self, request: PreparedRequest, base_url: str) -> Received:
        """Record a request.

        Raises:
            UnansweredError: the test is over, or the request has another origin than `base_url`.
        """
        if self._is_closed:
            raise UnansweredError(
                f"the double of {self._name} is asked for {request.method} {request.path_url} after its test. Ask "
                "architect.service() where its client is used, and not when a module is imported"
            )
        found, own = origin_sent_to(request.url or ""), origin_sent_to(base_url)
        if found != own:
            raise UnansweredError(
                f"the double of {self._name} redirects to {found}, for which nothing stands in; have it redirect to a "
                "path of its own"
            )
        body, base = read_body(request.body), urlsplit(base_url).path
        recorded = request.copy()
        if not isinstance(request.body, str | None):
            recorded.body = body
        self.requests.append(recorded)
        return Received(request, body, base if urlsplit(request.url or "").path.startswith(f"{base}/") else "")

    def close(self) -> None:
        """Answer no more requests."""
        self._is_closed = True
        self.behaviour.close()


def read_body(body: Any) -> bytes:
    """The bytes that requests would send for a body: a text, bytes, a file or an iterable.

    >>> read_body(iter(["a", b"b"]))
    b'ab'
    """
    if hasattr(body, "read"):
        body = body.read()
    parts = [body] if isinstance(body, str | bytes | bytearray) else body or ()
    return b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
