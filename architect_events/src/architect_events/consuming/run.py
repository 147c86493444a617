"""Consuming: the handlers of this process are called for the events that a broker keeps for the running service."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core.contract import Topic
from architect_core.exceptions import ConfigError
from architect_core.resolver.events import EVENTS_VARIABLE, handlers
from architect_core.resolver.observing import client_observer
from architect_events.consuming.calling import Caller
from architect_events.consuming.worker import Worker
from architect_events.schedule import HANDLERS

if TYPE_CHECKING:
    from types import FrameType

    from architect_events.publishing import Channels

_log = logging.getLogger("architect.events")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def consume(resolver: Any, channels: Channels, concurrency: int) -> None:
    """See `architect.consume`."""
    if concurrency < 1:
        raise ValueError("`concurrency` must be at least 1")
    if not handlers:
        raise ConfigError("this program", [("", "has no handler: decorate a function with architect.on")])
    name = resolver.current_name or resolver.current_service().name
    broker = resolver.broker()
    if broker is None:
        reason = "is not set, but handlers take events from a broker; set it to the broker's URL, such as amqp://broker"
        raise ConfigError(f"the environment variable {EVENTS_VARIABLE}", [("", reason)])
    factory = resolver.channel(f"events.{broker.scheme}")
    if not factory.capabilities.keeps:
        raise ConfigError(
            broker.where, [("", f"{broker.scheme} keeps no events, so handlers cannot take them from it")]
        )
    channel = channels.open(factory, broker)
    topics = [Topic(event, service, (name,)) for service, event in handlers]
    worker = Worker(
        f"the broker of {EVENTS_VARIABLE}",
        channel.consumer(name, topics, concurrency),
        Caller(dict(handlers), concurrency, client_observer(name, "events")),
        schedule=HANDLERS,
        capabilities=factory.capabilities,
        concurrency=concurrency,
        prepare=partial(channel.declare, topics),
    )
    listed = ", ".join(f"{event} of {service}" for service, event in handlers)
    _log.info("%s handles events: %s", name, listed)
    with stopping(partial(channels.loop.call, worker.stop)):
        channels.loop.run(worker.run())
    counts = worker.counts
    _log.info("%s stopped: %d handled, %d attempts failed, %d dead", name, counts.done, counts.failed, counts.dead)


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Calls `stop` at the first SIGTERM or SIGINT; a second one does what it did before.

    Only the main thread can handle signals; in another one, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def asked(_number: int, _frame: FrameType | None) -> None:
        restore()
        stop()

    for number in _SIGNALS:
        signal.signal(number, asked)
    try:
        yield
    finally:
        restore()
