"""The names of subscribers in a broker."""

from __future__ import annotations

from collections.abc import Iterable

from architect_core.contract import Subscription, Topic


def name_in_broker(subscription: Subscription, source: str) -> str:
    """Returns the name that a subscriber of the service `source` has in a broker.

    It is the service's own name if handlers take the events. What is posted to a URL is taken by the relay of the
    service that published it, and by no other process, so that it has a name for each of these.
    """
    return subscription.name if subscription.consumes else f"{subscription.name}@{source}"


def topic_of(event: str, source: str, subscriptions: Iterable[Subscription]) -> Topic:
    """Returns an event with the names of its subscribers in a broker."""
    return Topic(event, source, tuple(name_in_broker(each, source) for each in subscriptions))
