"""What the suites of channels share: how a check opens a channel, sends and receives."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import quote, urlsplit
from uuid import uuid4

from architect_core.contract import (
    Broker,
    Capabilities,
    Channel,
    Consumer,
    EventChannel,
    Message,
    Receipt,
    Received,
    Topic,
)
from architect_core.resolver import Resolver
from architect_core.resolver.events import EVENTS_VARIABLE
from architect_testing.conformance.suite import Suite, fail

Value = str | Mapping[str, Any]
"""A value of `ARCHITECT_EVENTS`: a URL, or an object."""

SOURCE = "acme/orders"
SLACK_SECONDS = 2.0  # beyond what is asked for
_SHOWN = 60  # characters of a body


class ChannelSuite(Suite, abstract=True):
    """The plugin whose channel is checked, and what it says that it can do."""

    _kind = EventChannel
    _named_by = "channel"
    _required = ("channel", "capabilities")

    channel: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    timeout: ClassVar[float] = 10.0

    def test_the_capabilities_are_as_stated(self) -> None:
        """The plugin has the capabilities that the suite's subclass states."""
        found = self._provided().capabilities
        assert found == self.capabilities, f"the plugin must have {self.capabilities}, and has {found}"


class BrokerSuite(ChannelSuite, abstract=True):
    """How to reach a broker, and helpers for checks of a channel that keeps events."""

    redelivery: ClassVar[float] = 5.0
    quiet: ClassVar[float] = 0.5
    lease: ClassVar[float | None] = None
    network: ClassVar[bool] = True

    def at(self, broker: Value, port: int) -> Value:
        """`broker` with another port of 127.0.0.1. Override it if `broker` is no URL."""
        url = urlsplit(str(broker))
        login, mark, _ = url.netloc.rpartition("@")
        return url._replace(netloc=f"{login}{mark}127.0.0.1:{port}").geturl()

    def address(self, broker: Value) -> tuple[str, int]:
        """The host and port of `broker`. Override it if its URL has another host."""
        host, port = self._broker(broker).credentials.hosts[0]
        return host, port or 0

    def with_secret(self, broker: Value, secret: str) -> Value:
        """`broker` with `secret` as the password. Override it if `broker` is no URL."""
        url = urlsplit(str(broker))
        host = url.netloc.rpartition("@")[2]
        return url._replace(netloc=f"architect:{quote(secret, safe='')}@{host}").geturl()

    @cached_property
    def topics(self) -> list[Topic]:
        """What this check has declared, for a fixture that deletes it afterwards."""
        return []

    def _topic(self, *subscribers: str, event: str | None = None, source: str = SOURCE) -> Topic:
        """An event that no other check has."""
        self.topics.append(Topic(event or f"placed_{uuid4().hex[:12]}", source, subscribers))
        return self.topics[-1]

    def _broker(self, value: Value) -> Broker:
        with patch.dict(os.environ, {EVENTS_VARIABLE: text_of(value)}):
            broker = Resolver({}, plugins=self._plugins).broker()
        assert broker is not None, f"the fixture `broker` must be a value of {EVENTS_VARIABLE}"
        return broker

    @asynccontextmanager
    async def _opened(self, value: Value) -> AsyncIterator[Channel]:
        channel: Channel = self._provided().open(self._broker(value))
        try:
            yield channel
        finally:
            await channel.close()

    async def _send(self, channel: Channel, messages: Sequence[Message]) -> None:
        """Send messages, all of which the channel must accept."""
        assert_accepted(messages, await channel.send(messages, self.timeout))

    async def _take(self, consumer: Consumer, count: int, seconds: float | None = None) -> list[Received]:
        """Receive `count` messages, and not acknowledge them."""
        within = self.timeout if seconds is None else seconds
        found: list[Received] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while len(found) < count and (left := end - loop.time()) > 0:
            found += await consumer.receive(count - len(found), left)
        assert len(found) == count, f"{count} messages must arrive within {within:g} seconds, and {len(found)} did"
        return found

    async def _assert_nothing(self, consumer: Consumer, why: str, seconds: float = 0.0) -> None:
        """Assert that nothing arrives for a while, or for `seconds` more."""
        found = await consumer.receive(1, self.quiet + seconds)
        assert not found, f"{why}, and {_shown(found[0].message.body)} was received (attempt {found[0].attempt})"


def text_of(value: Value) -> str:
    """The text of the variable."""
    return value if isinstance(value, str) else json.dumps(dict(value))


def subscriber(name: str = "mailer") -> str:
    """A name of a subscriber that no other check has."""
    return f"acme/{name}-{uuid4().hex[:12]}"


def message(of: Topic, body: bytes = b"{}", **more: Any) -> Message:
    """A message of an event."""
    return Message(str(uuid4()), of.event, of.source, datetime.now(UTC), body, **more)


def numbered(of: Topic, count: int, key: Callable[[int], str | None] = lambda _: None) -> list[Message]:
    """Messages with the bodies "0", "1", ..."""
    return [message(of, b"%d" % number, key=key(number)) for number in range(count)]


def varied(of: Topic, most: int | None) -> list[Message]:
    """Messages that are hard to carry unchanged, with bodies of at most `most` bytes."""
    large = min(200 * 1024, most or 200 * 1024)
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-text": "ünï ✓, =;\"'"}
    return [
        message(of, '{"text": "ünïcode ✓", "quoted": "\\"\\\\"}\n'.encode(), headers=headers),
        message(of, b"", key="ünïcode ✓ / 7", headers={"x-empty": ""}),
        message(of, bytes(range(256)) * (large // 256), content_type="application/octet-stream"),
        message(of, b"\xff\xfe\x00", key="k" * 300, content_type="text/plain; charset=utf-16"),
        message(of, b" \r\n{}\r\n", headers={f"x-{number}": str(number) for number in range(12)}),
    ]


def assert_accepted(messages: Sequence[Message], receipts: Sequence[Receipt]) -> None:
    """Assert that there is a receipt for each message, and that all are ok."""
    assert_receipts(messages, receipts)
    for number, each in enumerate(receipts):
        if not each.ok or each.permanent:
            fail(f"the broker keeps message {number}, so that its receipt must be ok, and it is {each}", each.error)


def assert_receipts(messages: Sequence[Message], receipts: Sequence[Receipt]) -> None:
    """Assert that there is a receipt for each message."""
    found = [type(each).__name__ for each in receipts]
    wanted = ["Receipt"] * len(messages)
    assert found == wanted, f"send() of {len(messages)} messages must return as many receipts, and returned {found}"


def assert_same(sent: Sequence[Message], received: Sequence[Received]) -> None:
    """Assert that exactly these messages were received, once each, and unchanged, in any order."""
    found = {each.message.id: each.message for each in received}
    names = {each.id: _shown(each.body) for each in sent} | {each.id: _shown(each.body) for each in found.values()}
    missing = [names[each.id] for each in sent if each.id not in found]
    foreign = [names[id_] for id_ in found if id_ not in {each.id for each in sent}]
    assert not missing, f"{missing} must be received too"
    assert not foreign, f"{foreign} must not be received by this subscriber"
    assert len(received) == len(sent), (
        f"{len(sent)} messages were sent, and {len(received)} received: some arrive twice"
    )
    for each in sent:
        for name in (field.name for field in fields(Message) if field.name != "to"):
            wanted, got = getattr(each, name), getattr(found[each.id], name)
            if wanted != got:  # no assert, as pytest would compare large bodies character by character
                fail(f"the {name!r} of a message must arrive as it was sent: {_shown(wanted)}, not {_shown(got)}")


def assert_attempts(received: Sequence[Received], attempt: int) -> None:
    """Assert that this is that attempt of each."""
    found = [each.attempt for each in received]
    assert found == [attempt] * len(found), f"after {attempt - 1} retries, `attempt` must be {attempt}, and is {found}"


def bodies(received: Sequence[Received]) -> list[bytes]:
    """The bodies of what was received."""
    return [each.message.body for each in received]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"
