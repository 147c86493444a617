"""The names of topics and queues: readable, within AWS' limits, and different for different services and events."""

from __future__ import annotations

import hashlib
import re

_OTHERS = re.compile(r"[^A-Za-z0-9_]+")
_FIFO_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}", re.ASCII)
_FIFO = ".fifo"


def topic_name(prefix: str, source: str, event: str, *, fifo: bool) -> str:
    """Returns the name of an event's topic, at most 120 characters of the 256 that SNS allows.

    >>> topic_name("architect", "acme/orders", "placed", fifo=True)
    'architect-acme_orders-placed-1199cda9383e.fifo'
    """
    readable = f"{_readable(source, 35)}-{_readable(event, 35)}"
    return f"{prefix}-{readable}-{_digest(source, event)}{_FIFO if fifo else ''}"


def queue_name(prefix: str, subscriber: str, *, fifo: bool, dead: bool) -> str:
    """Returns the name of a subscriber's queue, or of its dead-letter queue, at most the 80 characters of SQS.

    >>> queue_name("architect", "acme/mailer", fifo=True, dead=True)
    'architect-acme_mailer-8c0deb66103d-dead.fifo'
    """
    kind = ("-dead" if dead else "") + (_FIFO if fifo else "")
    return f"{prefix}-{_readable(subscriber, 35)}-{_digest(subscriber)}{kind}"


def fifo_id(text: str) -> str:
    """Returns the message group of a key, or the deduplication id of a message: itself if AWS allows it, else a hash.

    >>> fifo_id("order-7"), fifo_id("ünïcode")[:8]
    ('order-7', 'b8be8967')
    """
    return text if _FIFO_ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


def _readable(name: str, length: int) -> str:
    return _OTHERS.sub("_", name)[:length]


def _digest(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]
