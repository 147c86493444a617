"""Events of the running service: their subscribers, and publishing to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from architect_core._base.address import parse_address
from architect_core.contract import Delivery, EventPublisher, Subscription, Subscriptions, serialise
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import Plugins
from architect_core.plugins.known import port_of
from architect_core.resolver.reload import require_seconds
from architect_core.schema import ServiceConfig, SubscriptionConfig
from architect_core.sources.catalog import Catalog

Send = Callable[[bytes, float], list[Delivery]]
"""Delivers a body to all subscribers, with a timeout in seconds for each."""


class Notification:
    """An event of the running service.

    Attributes:
        event: its name.
        subscriptions: its subscribers, a tuple of `Subscription`; called, it gives dictionaries, as in 0.2.1.
    """

    def __init__(self, event: str, subscriptions: Subscriptions, send: Send) -> None:
        self.event = event
        self.subscriptions = subscriptions
        self._send = send

    def publish(self, payload: object, *, timeout: float = 10.0) -> list[Delivery]:
        """Post `payload` to the subscribers, those of one protocol at once, each with its own headers.

            failed = [each for each in architect.notification("order_placed").publish({"id": 7}) if not each.ok]

        Args:
            payload: what JSON can express, with dates, UUIDs, dataclasses and pydantic models at any depth; or bytes,
                which are sent as they are.
            timeout: seconds that one subscriber may take, connecting included.

        Returns:
            One `Delivery` for each subscriber, in the order of `subscriptions`. A failure is
            reported in its `Delivery` and does not affect the others. A redirect is not followed, and is a failure.

        Raises:
            PayloadError: the payload cannot be written as JSON; nothing was sent then.
            ValueError: `timeout` is not a positive number of seconds.
        """
        body = serialise(payload)
        require_seconds("timeout", timeout)
        return self._send(body, timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.event!r}, {len(self.subscriptions)} subscribers)"


def sender(event: str, subscriptions: Subscriptions, plugins: Plugins) -> Send:
    """Returns a function that delivers `event` through the plugins of its subscribers' protocols."""
    asked_by = f"event {event!r}"

    def send(body: bytes, timeout: float) -> list[Delivery]:
        by_name: dict[str, Delivery] = {}
        for api in dict.fromkeys(each.api for each in subscriptions):
            served = [each for each in subscriptions if each.api == api]
            by_name |= {each.subscription.name: each for each in send_by(api, served, body, timeout)}
        return [by_name[each.name] for each in subscriptions]

    def send_by(api: str, served: list[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        try:
            publisher = plugins.get(EventPublisher, api, asked_by)
            with plugins.blamed(api, asked_by):
                deliveries = list(publisher.publish(served, body, timeout))
            if [each.subscription if isinstance(each, Delivery) else None for each in deliveries] == served:
                return deliveries
            owner = plugins.owner(api)
            error: Exception = PluginError(f"{asked_by}: {owner} did not return one Delivery for each subscriber")
        except Exception as problem:  # noqa: BLE001 - it is in the results, so that those of other protocols are not lost
            error = problem
        return [Delivery(each, None, 0.0, error) for each in served]

    return send


def subscriptions_of(
    event: str, subscribers: Mapping[str, SubscriptionConfig], owner: str, where: str, catalog: Catalog
) -> Subscriptions:
    """The subscribers of `event`, an event of the service `owner` that was read from `where`."""
    found, problems = [], []
    for name, wanted in subscribers.items():
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
    return Subscription(name, host, port, uri, dict(wanted.headers), api, auth)
