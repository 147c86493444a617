"""Events of the running service: their subscribers, and publishing to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from architect_core._base.address import parse_address
from architect_core.contract import Delivery, EventPublisher, Subscription, Subscriptions, serialise
from architect_core.exceptions import ConfigError, PluginError
from architect_core.plugins import Plugins
from architect_core.plugins.known import port_of
from architect_core.schema import ServiceConfig, SubscriptionConfig

Send = Callable[[bytes, float], list[Delivery]]
"""Delivers a body to all subscribers, each of which may take so many seconds."""


class Notification:
    """An event of the current service.

    Attributes:
        event: its name.
        subscriptions: its subscribers, a tuple of `Subscription`; called, the list of dictionaries that 0.2.1 returned.
    """

    def __init__(self, event: str, subscriptions: Subscriptions, send: Send) -> None:
        self.event = event
        self.subscriptions = subscriptions
        self._send = send

    def publish(self, payload: object, *, timeout: float = 10.0) -> list[Delivery]:
        """Post `payload` to all subscribers at once, each with its own headers.

            failed = [each for each in architect.notification("order_placed").publish({"id": 7}) if not each.ok]

        Args:
            payload: what JSON can express, with dates, UUIDs, dataclasses and pydantic models at any depth; or bytes,
                which are sent as they are.
            timeout: seconds that one subscriber may take, connecting included.

        Returns:
            One `Delivery` for each subscriber, in the order of `subscriptions`. A subscriber that fails has its error
            there and does not keep the event from the others; a redirect is not followed and is a failure.

        Raises:
            PayloadError: if the payload cannot be written as JSON; nothing was sent then.
        """
        body = serialise(payload)
        if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not 0 < timeout < float("inf"):
            raise ValueError("timeout is a positive number of seconds")
        return self._send(body, timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.event!r}, {len(self.subscriptions)} subscribers)"


def sender(event: str, subscriptions: Subscriptions, plugins: Plugins) -> Send:
    """Returns what delivers `event` by the plugins of its subscribers' protocols."""
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
            if [each.subscription for each in deliveries if isinstance(each, Delivery)] == served:
                return deliveries
            owner = plugins.owner(api)
            error: Exception = PluginError(f"{asked_by}: {owner} did not return one Delivery for each subscriber")
        except Exception as problem:  # noqa: BLE001 - it is in the results, so that it hides none of another protocol
            error = problem
        return [Delivery(each, None, 0.0, error) for each in served]

    return send


def subscriptions_of(
    event: str,
    subscribers: Mapping[str, SubscriptionConfig],
    owner: str,
    services: Mapping[str, ServiceConfig],
    where: str,
) -> Subscriptions:
    """The subscribers of `event`, an event of the service `owner`, with their addresses from `services`."""
    found, problems = [], []
    for name, wanted in subscribers.items():
        path = f"{owner}.subscriptions.{event}.{name}"
        if name not in services:
            problems.append((path, "this subscriber has no entry of its own, so its host and port are unknown"))
            continue
        try:
            found.append(_subscription(name, wanted, services[name]))
        except ValueError as problem:
            problems.append((f"{name}.host", str(problem)))
    if problems:
        raise ConfigError(where, problems)
    return Subscriptions(found)


def _subscription(name: str, wanted: SubscriptionConfig, service: ServiceConfig) -> Subscription:
    if service.host is None:
        raise ValueError("is missing, and this service is a subscriber")
    address = parse_address(service.host, service.port)
    scheme = address.scheme or "http"
    port = address.port or port_of(scheme)
    if port is None:
        raise ValueError("names no port, and `port` is missing")
    auth = None if address.username is None else (address.username, address.password or "")
    host, uri, api = f"{scheme}://{address.bracketed_host}", address.path + wanted.uri, service.api or "rest"
    return Subscription(name, host, port, uri, dict(wanted.headers), api, auth)
