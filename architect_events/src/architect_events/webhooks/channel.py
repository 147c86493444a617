"""Posts messages to the URLs of their subscribers, all at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.request import getproxies

from architect_core.contract import Channel, Message, Receipt
from architect_events.webhooks.connection import StaleError
from architect_events.webhooks.connections import Connections, Route
from architect_events.webhooks.proxies import proxy_for
from architect_events.webhooks.requests import request_to, target_of

if TYPE_CHECKING:
    from architect_events.webhooks.answers import Answer

_PROXIES = 1.0  # seconds until the environment is read again, which takes as long as a request on loopback
_LONGEST_WAIT = 86400.0  # seconds; what a subscriber asks for beyond it is not honoured


class WebhookChannel(Channel):
    """Posts each message to its subscriber, and keeps the connections for the next ones.

    A redirect is not followed, because the subscriber's headers are for its own host. Where a connection that has
    served before ends before anything of the answer comes, as one does that the subscriber closes because it was idle,
    the request is sent once more over a new one: a subscriber can get a message twice, with the same id.
    """

    def __init__(self) -> None:
        self._connections = Connections()
        self._proxies: Mapping[str, str] = {}
        self._proxies_until = 0.0

    async def send(self, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        """Post all `messages` at once, each for `timeout` seconds at most; returns a receipt for each, in order."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        if started >= self._proxies_until:
            self._proxies, self._proxies_until = getproxies(), started + _PROXIES
        batch = _Batch(started, timeout, self._proxies)
        tasks = [loop.create_task(self._send(each, batch)) for each in messages]
        timer = loop.call_at(batch.deadline, batch.expire, tasks)  # one for all: asyncio.timeout takes 5 us for each
        try:
            return await asyncio.gather(*tasks)
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def _send(self, message: Message, batch: _Batch) -> Receipt:
        loop = asyncio.get_running_loop()
        try:
            answer = await self._post(message, batch)
        except asyncio.CancelledError:
            if not batch.is_late:
                raise
            return Receipt(
                TimeoutError(f"no answer within {batch.timeout:g} seconds"), None, loop.time() - batch.started
            )
        except Exception as problem:  # noqa: BLE001 - it is in the receipt, so that the others' are not lost
            # a ValueError is about what is sent; those of certificates are OSErrors, too
            permanent = isinstance(problem, ValueError) and not isinstance(problem, OSError)
            return Receipt(problem, None, loop.time() - batch.started, permanent)
        wait = _retry_after(answer) if answer.status in {429, 503} else None
        return Receipt(None, answer.status, loop.time() - batch.started, answer.status == 410, wait)

    async def _post(self, message: Message, batch: _Batch) -> Answer:
        route, data = _request(message, batch.proxies)
        connection = self._connections.take(route)
        if connection is not None:
            with suppress(StaleError):
                return await connection.request(data, batch.deadline)
        connection = await self._connections.connect(route, batch.deadline)
        return await connection.request(data, batch.deadline)


class _Batch:
    """What the messages of a batch have in common; `deadline` is a time of the event loop."""

    def __init__(self, started: float, timeout: float, proxies: Mapping[str, str]) -> None:
        self.started = started
        self.timeout = timeout
        self.deadline = started + timeout
        self.proxies = proxies
        self.is_late = False

    def expire(self, tasks: Sequence[asyncio.Task[Receipt]]) -> None:
        """Cancel those that have not ended."""
        self.is_late = True
        for task in tasks:
            task.cancel()


def _request(message: Message, proxies: Mapping[str, str]) -> tuple[Route, bytes]:
    """Returns what is sent, and where to; raises ValueError if a part is malformed, and OSError if a proxy's URL is."""
    if message.to is None:
        raise ValueError("a webhook needs a subscriber")
    with suppress(UnicodeError):  # it would hold what could not be encoded, such as a password
        target = target_of(message.to)
        proxy = proxy_for(target.scheme, target.host, target.port, proxies) if proxies else None
        route = Route(target.host, target.port, target.scheme == "https", proxy)
        return route, request_to(target, message, message.to.secrets, None if route.tls else proxy)
    raise ValueError("the subscriber's URL, its login or a header cannot be encoded")


def _retry_after(answer: Answer) -> float | None:
    """Returns the seconds of the header Retry-After, which has a number or a date."""
    value = answer.fields.get(b"retry-after", b"").decode("latin-1")
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    with suppress(ValueError):
        date = parsedate_to_datetime(value)
        return min(
            max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()), _LONGEST_WAIT
        )
    return None
