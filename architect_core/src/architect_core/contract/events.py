"""Events: what is published, who subscribed to it, and how a delivery ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self

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
        secrets: what deliveries are signed with, the newest first; never part of a repr.
        consumes: whether the subscriber takes the event from a broker itself, with a handler, and has no URL.
    """

    name: str
    host: str
    port: int
    uri: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    api: str = "rest"
    auth: tuple[str, str] | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    consumes: bool = False

    def __repr__(self) -> str:
        path, mark, _ = self.uri.partition("?")
        uri = f"{path}?***" if mark else path  # a query may be a token
        shown = f"name={self.name!r}, host={self.host!r}, port={self.port!r}, uri={uri!r}, api={self.api!r}"
        return f"{type(self).__name__}({shown})"

    @property
    def url(self) -> str:
        """The URL that the event is posted to."""
        return f"{self.host}:{self.port}{self.uri}"


class Subscriptions(tuple[Subscription, ...]):
    """The subscribers of an event: a tuple that can be called, as in architect.sdk 0.2.1."""

    __slots__ = ()

    def __call__(self) -> list[dict[str, Any]]:
        """Returns `name`, `api`, `host`, `port`, `uri` and `headers` of every subscriber that has a URL."""
        return [
            {name: getattr(each, name) for name in ("name", "api", "host", "port", "uri")}
            | {"headers": dict(each.headers)}
            for each in self
            if not each.consumes
        ]


@dataclass(frozen=True)
class Message:
    """An event on its way to its subscribers, with the attributes of CloudEvents 1.0.

    Attributes:
        id: the same for every delivery, unique for each event of its source.
        event: its name, which CloudEvents call the type.
        source: the service that published it.
        time: when it was published; aware.
        body: never part of a repr.
        key: events with the same key reach a subscriber in the order of publication; None if their order is free.
        headers: further headers, with names in lower case, such as `traceparent`.
        to: the only subscriber that it is for; None if it is for all.
    """

    id: str
    event: str
    source: str
    time: datetime
    body: bytes = field(repr=False)
    _: KW_ONLY
    key: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    to: Subscription | None = None

    def to_headers(self, prefix: str = "ce-") -> dict[str, str]:
        """Returns all but the body as headers; `prefix` is that of the CloudEvents attributes in the protocol.

        >>> message = Message("7", "placed", "acme/orders", datetime(2026, 1, 2, tzinfo=UTC), b"{}", key="ada")
        >>> message.to_headers()["ce-type"], message.to_headers()["ce-partitionkey"]
        ('placed', 'ada')
        """
        attributes = {"specversion": "1.0", "id": self.id, "source": self.source, "type": self.event}
        attributes["time"] = self.time.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if self.key is not None:
            attributes["partitionkey"] = self.key
        prefixed = {f"{prefix}{name}": value for name, value in attributes.items()}
        return {**self.headers, **prefixed, "content-type": self.content_type}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], body: bytes, prefix: str = "ce-") -> Self:
        """Returns the message that `to_headers` made headers of; raises ValueError if a required one is missing.

        Names may have any case. Attributes that are not those of a `Message` are among its `headers`. A time without an
        offset is in UTC.
        """
        found = {name.lower(): value for name, value in headers.items()}
        prefix = prefix.lower()
        try:
            id_, source, event = (found.pop(f"{prefix}{name}") for name in ("id", "source", "type"))
        except KeyError as missing:
            raise ValueError(f"the header {missing} is missing: this is no event") from None
        found.pop(f"{prefix}specversion", None)
        time, key = found.pop(f"{prefix}time", None), found.pop(f"{prefix}partitionkey", None)
        published = datetime.now(UTC) if time is None else datetime.fromisoformat(time)
        published = published.replace(tzinfo=published.tzinfo or UTC)
        content_type = found.pop("content-type", "application/json")
        return cls(id_, event, source, published, body, key=key, content_type=content_type, headers=found)


@dataclass(frozen=True)
class Event(Message):
    """An event as a handler gets it; `attempt` is 1 at the first delivery, and greater at each further one."""

    attempt: int = 1

    @property
    def payload(self) -> Any:
        """What was published, parsed from JSON; raises PayloadError if the body is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        raise PayloadError(f"the event {self.event!r} of {self.source} has a body that is not JSON: use `body`")


@dataclass(frozen=True)
class Delivery:
    """The result of delivering one event to one subscriber.

    Attributes:
        status: the HTTP status of the answer, or None if there was no answer.
        elapsed: seconds from the start of the publication to the answer or the error.
        error: None if there was an answer.
    """

    subscription: Subscription
    status: int | None
    elapsed: float
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether the subscriber accepted the event: there is no error, and a status is from 200 to 299."""
        return self.error is None and (self.status is None or 200 <= self.status < 300)


@cache
def _encoder() -> tuple[json.JSONEncoder, type[Exception]]:
    """The encoder of payloads, and its error for a type that JSON does not have; pydantic is imported on first use."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    return json.JSONEncoder(default=to_jsonable_python, allow_nan=False), PydanticSerializationError


def serialise(payload: object) -> bytes:
    """Returns `payload` as the bytes of a JSON text; bytes are returned unchanged.

    >>> serialise({"id": 7})
    b'{"id": 7}'

    Raises PayloadError if JSON cannot express it; the message names its type, never its value.
    """
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    encoder, unknown_type = _encoder()
    try:
        return encoder.encode(payload).encode()
    except unknown_type:
        reason = "it holds an object of a type that JSON does not have"
    except RecursionError:
        reason = "it is nested too deeply, or holds itself"
    except (TypeError, ValueError):
        reason = "it holds NaN or infinity, itself, or a key that is no text"
    raise PayloadError(f"the payload, a {type(payload).__name__}, cannot be written as JSON: {reason}")
