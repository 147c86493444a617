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
from architect_rest.http.errors import AnswerTimeoutError, SendTimeoutError, StaleError
from architect_rest.http.exchange import Timeouts
from architect_rest.http.opening import Route
from architect_rest.http.pool import Pools
from architect_rest.http.proxies import Proxy
from architect_rest.policy.proxies import proxy_for
from architect_rest.webhooks.authorities import environment_context
from architect_rest.webhooks.requests import request_to, target_of

if TYPE_CHECKING:
    from architect_rest.http.answers import Head
    from architect_rest.http.connection import Connection

_IDLE_SECONDS = 60.0  # after which a connection that serves no more is closed, within as many
_MAX_IDLE = 1000  # connections
_PROXIES = 1.0  # seconds until the environment is read again, which takes as long as a request on loopback
_LONGEST_WAIT = 86400.0  # seconds; what a subscriber asks for beyond it is not honoured


class WebhookChannel(Channel):
    """Posts each message to its subscriber, and keeps the connections for the next ones.

    A redirect is not followed, because the subscriber's headers are for its own host. Where a connection that has
    served before ends before anything of the answer comes, as one does that the subscriber closes because it was idle,
    the request is sent once more over a new one: a subscriber can get a message twice, with the same id.
    """

    def __init__(self) -> None:
        self._pools = Pools(environment_context, environment_context, idle_seconds=_IDLE_SECONDS, max_idle=_MAX_IDLE)
        self._proxies: Mapping[str, str] = {}
        self._proxies_until = 0.0

    async def send(self, messages: Sequence[Message], timeout: float) -> list[Receipt]:
        """Post all `messages` at once, each for `timeout` seconds at most; returns a receipt for each, in order."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        if started >= self._proxies_until:
            self._proxies, self._proxies_until = getproxies(), started + _PROXIES
        batch = _Batch(started, timeout, self._proxies)
        if len(messages) == 1:  # it needs no task of its own
            try:
                async with asyncio.timeout_at(batch.deadline):
                    return [await self._send(messages[0], batch)]
            except TimeoutError:
                return [batch.late()]
        tasks = [loop.create_task(self._send(each, batch)) for each in messages]
        timer = loop.call_at(batch.deadline, batch.expire, tasks)  # one for all: asyncio.timeout takes 5 us for each
        try:
            return await asyncio.gather(*tasks)
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Close the connections."""
        self._pools.close()

    async def _send(self, message: Message, batch: _Batch) -> Receipt:
        loop = asyncio.get_running_loop()
        try:
            head = await self._post(message, batch)
        except asyncio.CancelledError:
            if not batch.is_late:
                raise
            return batch.late()
        except (AnswerTimeoutError, SendTimeoutError):
            return batch.late()
        except Exception as problem:  # noqa: BLE001 - it is in the receipt, so that the others' are not lost
            # a ValueError is about what is sent; those of certificates are OSErrors, too
            permanent = isinstance(problem, ValueError) and not isinstance(problem, OSError)
            return Receipt(problem, None, loop.time() - batch.started, permanent)
        wait = _retry_after(head) if head.status in {429, 503} else None
        return Receipt(None, head.status, loop.time() - batch.started, head.status == 410, wait)

    async def _post(self, message: Message, batch: _Batch) -> Head:
        route, data = _request(message, batch.proxies)
        pool = self._pools.current()
        connection = pool.take(route)
        if connection is not None:
            with suppress(StaleError):
                return await _exchange(connection, data, batch.timeouts)
        return await _exchange(await pool.connect(route), data, batch.timeouts)


class _Batch:
    """What the messages of a batch have in common; `deadline` is a time of the event loop."""

    def __init__(self, started: float, timeout: float, proxies: Mapping[str, str]) -> None:
        self.started = started
        self.timeout = timeout
        self.deadline = started + timeout
        self.timeouts = Timeouts(self.deadline)
        self.proxies = proxies
        self.is_late = False

    def late(self) -> Receipt:
        """Returns the receipt of a message whose time is over."""
        elapsed = asyncio.get_running_loop().time() - self.started
        return Receipt(TimeoutError(f"no answer within {self.timeout:g} seconds"), None, elapsed)

    def expire(self, tasks: Sequence[asyncio.Task[Receipt]]) -> None:
        """Cancel those that have not ended."""
        self.is_late = True
        for task in tasks:
            task.cancel()


async def _exchange(connection: Connection, data: bytes, timeouts: Timeouts) -> Head:
    answer = await connection.request(data, timeouts)
    answer.discard()
    return answer.head


def _request(message: Message, proxies: Mapping[str, str]) -> tuple[Route, bytes]:
    """Returns what is sent, and where to; raises ValueError if a part is malformed, and OSError if a proxy's URL is."""
    if message.to is None:
        raise ValueError("a webhook needs a subscriber")
    with suppress(UnicodeError):  # it would hold what could not be encoded, such as a password
        target = target_of(message.to)
        found = proxy_for(f"{target.scheme}://{target.authority}", proxies) if proxies else None
        proxy = None if found is None else Proxy.of(found)
        name = target.host if target.scheme == "https" else None
        route = Route(target.host, target.port, name, proxy)
        return route, request_to(target, message, message.to.secrets, proxy if name is None else None)
    raise ValueError("the subscriber's URL, its login or a header cannot be encoded")


def _retry_after(head: Head) -> float | None:
    """Returns the seconds of the header Retry-After, which has a number or a date."""
    value = (head.field(b"retry-after") or b"").decode("latin-1")
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    with suppress(ValueError):
        date = parsedate_to_datetime(value)
        return min(
            max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()), _LONGEST_WAIT
        )
    return None
