"""Events of the running service, their subscribers and their broker, and handlers of other services' events."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import unwrap
from pathlib import Path
from typing import Any, TypeVar

from architect_core._base.address import parse_address, scheme_of
from architect_core._base.json_text import read_json, require_object
from architect_core._base.names import SERVICE_NAME
from architect_core.contract import Broker, Delivery, EventChannel, Sender, Subscription, Subscriptions, serialise
from architect_core.exceptions import ConfigError
from architect_core.plugins import Plugins
from architect_core.plugins.known import port_of
from architect_core.resolver.reload import require_seconds
from architect_core.schema import DatastoreConfig, ServiceConfig, SubscriptionConfig, validate
from architect_core.sources.catalog import Catalog, Found
from architect_core.sources.pointers import followed

EVENTS_VARIABLE = "ARCHITECT_EVENTS"
_WHERE = f"the environment variable {EVENTS_VARIABLE}"

Function = TypeVar("Function", bound=Callable[..., Any])


class Notification:
    """An event of the running service.

    Attributes:
        event: its name.
        subscriptions: its subscribers, a tuple of `Subscription`; called, it gives dictionaries, as in 0.2.1.
        aio: the same event for asyncio: `await notification.aio.publish(payload)`.
    """

    def __init__(self, event: str, subscriptions: Subscriptions, sender: Callable[[], Sender]) -> None:
        """`sender()` returns what publishes the event; it is called once, by the first publication."""
        self.event = event
        self.subscriptions = subscriptions
        self._make_sender = sender

    @cached_property
    def _sender(self) -> Sender:
        return self._make_sender()

    @cached_property
    def aio(self) -> AioNotification:
        """This event for asyncio."""
        return AioNotification(self._sender.aio_publish)

    def publish(
        self, payload: object, *, key: str | None = None, outbox: Any = None, timeout: float = 10.0
    ) -> list[Delivery]:
        """Publish `payload`; returns once the event is kept, or once every subscriber has answered or failed.

            failed = [each for each in architect.notification("order_placed").publish({"id": 7}) if not each.ok]

        With `outbox`, it is kept in that connection's transaction, and `architect relay` delivers it after the commit.
        Else, with `ARCHITECT_EVENTS`, the broker keeps it. Else it is posted to all subscribers now, and not again.

        Args:
            payload: what JSON can express, with dates, UUIDs, dataclasses and pydantic models at any depth; or bytes,
                which are sent as they are.
            key: events with the same key reach a subscriber in the order of publication, such as an order's number.
            outbox: a connection of a database that has the outbox's tables, in which a transaction may have begun; it
                is not committed. For `aio.publish`, a connection for asyncio.
            timeout: seconds that one subscriber or the broker may take, connecting included.

        Returns:
            One `Delivery` for each subscriber, in the order of `subscriptions`; none if the event is kept. A failure is
            reported in its `Delivery` and does not affect the others. A redirect is not followed, and is a failure.

        Raises:
            PayloadError: the payload cannot be written as JSON, or is too large; nothing was sent then.
            PublishError: the broker or the outbox has not kept the event.
            ConfigError: `ARCHITECT_EVENTS` is malformed.
            ValueError: `timeout` is not a positive number of seconds.
        """
        return self._sender.publish(*_checked(payload, key, outbox, timeout))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.event!r}, {len(self.subscriptions)} subscribers)"


@dataclass(frozen=True)
class AioNotification:
    """An event for asyncio."""

    _publish: Callable[[bytes, str | None, Any, float], Awaitable[list[Delivery]]]

    async def publish(
        self, payload: object, *, key: str | None = None, outbox: Any = None, timeout: float = 10.0
    ) -> list[Delivery]:
        """Like `Notification.publish`, without blocking the event loop."""
        return await self._publish(*_checked(payload, key, outbox, timeout))


def _checked(payload: object, key: str | None, outbox: Any, timeout: float) -> tuple[bytes, str | None, Any, float]:
    body = serialise(payload)
    require_seconds("timeout", timeout)
    if key is not None and not (isinstance(key, str) and key and key.isprintable()):
        raise ValueError("`key` must be text without control characters, and not empty, or None")
    return body, key, outbox, timeout


@dataclass(frozen=True)
class Handler:
    """A function that handles an event of another service; see `on`."""

    service: str
    event: str
    function: Callable[..., Any]
    timeout: float


handlers: dict[tuple[str, str], Handler] = {}
"""The handlers of this process, by service and event."""


def on(service: str, event: str, *, timeout: float = 300.0) -> Callable[[Function], Function]:
    """Have the decorated function handle an event of a service; `architect consume` or `architect.consume()` calls it.

        @architect.on("acme/orders", "order_placed")
        def letter(event: architect.Event) -> None:
            send_letter(event.payload["order"])

    The function may be a coroutine function. If it raises an exception, or takes longer than `timeout` seconds, the
    event is delivered again later. Raises ValueError if the event has a handler already, or a name is malformed.
    """
    require_seconds("timeout", timeout)
    if not SERVICE_NAME.fullmatch(service) or not event or not event.isprintable():
        raise ValueError(f"there can be no event {event!r} of a service {service!r}: one of these names is malformed")

    def register(function: Function) -> Function:
        other = handlers.get((service, event))
        # a module may be executed twice, as `__main__` and by its name, or reloaded
        if other is not None and _place(other.function) != _place(function):
            raise ValueError(f"the event {event!r} of {service} has a handler already: {_place(other.function)}")
        handlers[service, event] = Handler(service, event, function, timeout)
        return function

    return register


def _place(function: Callable[..., Any]) -> str:
    """Where a function is defined: "letter in /app/handlers.py"."""
    inner = unwrap(function)
    code = getattr(inner, "__code__", None)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return name if code is None else f"{name} in {code.co_filename}"


def broker_of(plugins: Plugins, find_root: Callable[[], Path]) -> Broker | None:
    """Returns the broker that `ARCHITECT_EVENTS` names, or None if it is not set.

    Its value is a URL, or a JSON object in the shape of a datastore's entry, whose values may be pointers. An entry
    without a URL, {"type": "rabbitmq", "host": "broker"}, has the scheme of its credentials' URL. Raises ConfigError if
    it is malformed, and NoPluginError if no installed plugin carries events by this scheme.
    """
    from architect_core.resolver.engine import credentials_of, scheme_of_url

    text = os.environ.get(EVENTS_VARIABLE, "").strip()
    if not text:
        return None
    data = require_object(read_json(text, _WHERE), _WHERE) if text.startswith("{") else {"url": text}
    entry = validate(DatastoreConfig, followed(data, _WHERE, os.environ)[0], _WHERE)
    scheme = scheme_of_url(entry.url) if scheme_of(entry.url or "") else None  # "broker:5672" has none
    if scheme is not None:  # before the credentials are read, because its error says what to install
        _require_broker(plugins, scheme)
    elif entry.type is None:
        raise ConfigError(_WHERE, [("", "must be a URL, such as amqp://broker, or an object with a `url`")])
    credentials = credentials_of(EVENTS_VARIABLE, Found(entry, "environment", _WHERE, ""), None, plugins, find_root)
    scheme = scheme or scheme_of_url(credentials.url) or credentials.engine
    _require_broker(plugins, scheme)
    return Broker(scheme, credentials, _WHERE)


def _require_broker(plugins: Plugins, scheme: str) -> None:
    """Raises ConfigError if the channel of `scheme` keeps no events, as that of webhooks."""
    if not plugins.get(EventChannel, f"events.{scheme}", EVENTS_VARIABLE).capabilities.keeps:
        raise ConfigError(_WHERE, [("", f"{scheme} keeps no events, so it is no broker")])


def subscriptions_of(
    event: str, subscribers: Mapping[str, SubscriptionConfig], owner: str, where: str, catalog: Catalog
) -> Subscriptions:
    """The subscribers of `event`, an event of the service `owner` that was read from `where`."""
    found, problems = [], []
    for name, wanted in subscribers.items():
        if wanted.consumes:
            found.append(Subscription(name, "", 0, "", consumes=True))
            continue
        service = catalog.service(name)
        if service is None:
            reason = "this subscriber has no entry of its own, so its host and port are unknown"
            problems.append((where, f"{owner}.subscriptions.{event}.{name}", reason))
            continue
        try:
            found.append(_subscription(name, wanted, service.entry))
        except ValueError as problem:
            problems.append((service.where, f"{service.path}.host".removeprefix("."), str(problem)))
    if problems:
        first = problems[0][0]
        raise ConfigError(first, [(path, reason) for source, path, reason in problems if source == first])
    return Subscriptions(found)


def _subscription(name: str, wanted: SubscriptionConfig, service: ServiceConfig) -> Subscription:
    if service.host is None:
        raise ValueError("is missing, but required of a subscriber")
    address = parse_address(service.host, service.port)
    scheme = address.scheme or "http"
    port = address.port or port_of(scheme)
    if port is None:
        raise ValueError("has no port, and `port` is not set")
    auth = None if address.username is None else (address.username, address.password or "")
    host, uri, api = f"{scheme}://{address.bracketed_host}", address.path + wanted.uri, service.api or "rest"
    return Subscription(name, host, port, uri, dict(wanted.headers), api, auth, tuple(wanted.secret))
