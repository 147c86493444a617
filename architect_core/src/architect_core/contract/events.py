"""Events: subscribers, deliveries, and the publisher that a plugin provides."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from architect_core.contract.hooks import Provided
from architect_core.exceptions import PayloadError


@dataclass(frozen=True)
class Subscription:
    """One subscriber of an event.

    >>> sub = Subscription("acme/mailer", "http://mailer", 8080, "/event/callback")
    >>> "{}:{}{}".format(sub.host, sub.port, sub.uri) == sub.url
    True

    Attributes:
        name: the subscribing service.
        host: scheme and host: "http://mailer". An IPv6 address has its brackets.
        uri: the path that the event is posted to, base path included; empty or starting with "/". A repr has no query.
        headers: the headers that the subscriber requires; never part of a repr.
        api: the protocol that the subscriber serves.
        auth: user name and password from the subscriber's host, or None; never part of a repr.
    """

    name: str
    host: str
    port: int
    uri: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    api: str = "rest"
    auth: tuple[str, str] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        path, mark, _ = self.uri.partition("?")
        uri = f"{path}?***" if mark else path  # a query may be a token
        shown = f"name={self.name!r}, host={self.host!r}, port={self.port!r}, uri={uri!r}, api={self.api!r}"
        return f"{type(self).__name__}({shown})"

    @property
    def url(self) -> str:
        """The URL that the event is posted to."""
        return f"{self.host}:{self.port}{self.uri}"


@dataclass(frozen=True)
class Delivery:
    """The result of delivering one event to one subscriber.

    Attributes:
        status: the HTTP status of the answer, or None if there was no answer.
        elapsed: seconds from the start of the publication to the answer or the error.
        error: such as a `urllib3.exceptions.HTTPError`; None if there was an answer.
    """

    subscription: Subscription
    status: int | None
    elapsed: float
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether the subscriber accepted the event: its status is from 200 to 299."""
        return self.status is not None and 200 <= self.status < 300


class Subscriptions(tuple[Subscription, ...]):
    """The subscribers of an event: a tuple that can be called, as in architect.sdk 0.2.1."""

    __slots__ = ()

    def __call__(self) -> list[dict[str, Any]]:
        """Returns `host`, `port`, `uri` and `headers` of every subscriber."""
        return [{"host": each.host, "port": each.port, "uri": each.uri, "headers": dict(each.headers)} for each in self]


class EventPublisher(Provided):
    """Delivers events to subscribers that serve one protocol."""

    hook: ClassVar[str] = "architect_event_publisher"

    @abstractmethod
    def publish(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        """Deliver `body`, a JSON text, to all at once, each within `timeout` seconds.

        Returns one result for each subscription, in order; raises nothing.
        """


def serialise(payload: object) -> bytes:
    """Returns `payload` as the bytes of a JSON text; bytes are returned unchanged.

    >>> serialise({"id": 7})
    b'{"id": 7}'

    Raises PayloadError if JSON cannot express it; the message names its type, never its value.
    """
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return json.dumps(payload, default=to_jsonable_python, allow_nan=False).encode()
    except PydanticSerializationError:
        reason = "it holds an object of a type that JSON does not have"
    except RecursionError:
        reason = "it is nested too deeply, or holds itself"
    except (TypeError, ValueError):
        reason = "it holds NaN or infinity, itself, or a key that is no text"
    raise PayloadError(f"the payload, a {type(payload).__name__}, cannot be written as JSON: {reason}")
