"""What became of events: the deliveries that a publisher reports, and what a subscriber received."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from architect_testing.conformance.suite import fail

if TYPE_CHECKING:
    from architect_core.contract.events import Delivery, Subscription

Received = Callable[[], Sequence[bytes]]

_ARRIVAL_SECONDS = 5.0
_POLL_SECONDS = 0.01


def assert_one_each(subscriptions: Sequence[Subscription], deliveries: Sequence[Delivery]) -> None:
    """Fail unless there is one delivery for each subscriber, in order."""
    wanted, found = [each.name for each in subscriptions], [each.subscription.name for each in deliveries]
    assert found == wanted, f"there must be one Delivery for each of {wanted}, in this order, and there are {found}"


def assert_taken(delivery: Delivery) -> None:
    """Fail unless the subscriber took the event."""
    name = delivery.subscription.name
    if not delivery.ok or delivery.error is not None:
        remedy = "A delivery that went well has a status from 200 to 299 and no error"
        found = f"has the status {delivery.status} and the error {delivery.error!r}"
        fail(f"{name} listens and takes events, and its Delivery {found}. {remedy}", delivery.error)
    assert delivery.elapsed >= 0, f"{name}: `elapsed` is the seconds since the publication started"


def assert_failed(delivery: Delivery, what: str) -> None:
    """Fail unless the delivery is told as one that got no answer."""
    name, told = delivery.subscription.name, isinstance(delivery.error, Exception) and delivery.status is None
    found = f"the status {delivery.status} and the error {delivery.error!r}"
    assert told, f"{name}, which {what}, must have a Delivery with no status and an exception, and has {found}"


def assert_arrived(received: Received, wanted: Sequence[bytes]) -> None:
    """Fail unless the subscriber receives all that is `wanted`, in any order, and nothing else."""
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while len(received()) < len(wanted) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    found = Counter(received())
    assert found == Counter(wanted), f"{len(wanted)} events were published, and the subscriber received {found}"
