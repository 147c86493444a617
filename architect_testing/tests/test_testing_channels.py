"""Each check of EventChannelSuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import channel_broker
import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_core.contract import Capabilities
from architect_testing import EventChannelSuite
from architect_testing.conformance import channel as shared
from architect_testing.conformance import channel_messages as message_checks

PLUGIN = (
    HEAD
    + """
import asyncio
import json
import logging
import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote, urlsplit

from architect_core.contract import (
    REASON_HEADER, Capabilities, Channel, Consumer, CredentialParser, Credentials, EventChannel, Message, Receipt,
    Received
)

MOST = 300 * 1024
log = logging.getLogger(__name__)


class Link:
    def __init__(self, credentials):
        self.credentials = credentials
        self.lock = asyncio.Lock()
        self.writer = None

    async def ask(self, *asked):
        async with self.lock:
            try:
                if self.writer is None:
                    await self.connect()
                self.writer.write(json.dumps(asked).encode() + b"\\n")
                await self.writer.drain()
                line = await self.reader.readline()
                if not line:
                    raise ConnectionResetError("the broker has closed the connection")
            except BaseException:
                await self.close()
                raise
        return json.loads(line)

    async def connect(self):
        address = self.credentials.host, self.credentials.port
        self.reader, self.writer = await asyncio.open_connection(*address, limit=1 << 24)

    async def close(self):
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Subject(Channel):
    def __init__(self, credentials):
        self.link = Link(credentials)
        self.consumers = []

    async def send(self, messages, timeout):
        fitting = [each for each in messages if len(each.body) <= MOST]
        try:
            async with asyncio.timeout(timeout):
                await self.deliver(fitting)
        except OSError as problem:
            return [Receipt(problem)] * len(messages)
        return [Receipt() if each in fitting else self.too_large() for each in messages]

    def too_large(self):
        return Receipt(ValueError(f"a body has {MOST} bytes at most"), permanent=True)

    async def deliver(self, messages):
        if messages:
            sent = [{"source": each.source, "event": each.event, "message": written(each)} for each in messages]
            return await self.link.ask(*(("send", each) for each in sent))

    async def declare(self, topics):
        async with asyncio.timeout(2):
            for each in topics:
                subscribers = list(each.subscribers)
                asked = {"source": each.source, "event": each.event, "subscribers": subscribers}
                await self.link.ask(("declare", asked))

    def consumer(self, subscriber, topics, limit, *, dead=False):
        self.consumers.append(SubjectConsumer(self, subscriber, topics, limit, dead))
        return self.consumers[-1]

    async def close(self):
        for each in self.consumers:
            await each.close()
        await self.link.close()


class SubjectConsumer(Consumer):
    def __init__(self, channel, subscriber, topics, limit, dead):
        self.channel = channel
        self.topics = topics
        self.link = Link(channel.link.credentials)
        self.subscriber = subscriber
        self.queue = f"!{subscriber}" if dead else subscriber
        self.is_dead = dead
        self.limit = limit
        self.held = set()
        self.is_closed = False

    async def receive(self, limit, timeout):
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            found = await self.take(min(limit, self.limit - len(self.held)))
            if found or loop.time() >= end or self.is_closed:
                return found
            await asyncio.sleep(0.01)

    async def take(self, limit):
        async with asyncio.timeout(2):
            found = await self.link.ask(("take", {"queue": self.queue, "limit": limit}))
        self.held |= {each["token"] for each in found}
        return [Received(read(each["message"]), each["attempt"], each["token"]) for each in found]

    async def tell(self, received, name, **asked):
        self.held.discard(received.token)
        await self.link.ask((name, {"token": received.token, **asked}))

    async def ack(self, received):
        for each in received:
            await self.tell(each, "ack", queue=self.queue)

    async def retry(self, received, delay):
        if self.is_dead:
            headers = {name: text for name, text in received.message.headers.items() if name != REASON_HEADER}
            await self.move(received, self.subscriber, headers)
        else:
            await self.tell(received, "again", delay=delay)

    async def dead(self, received, reason):
        await self.move(received, f"!{self.subscriber}", {**received.message.headers, REASON_HEADER: reason})

    async def move(self, received, to, headers):
        message = written(replace(received.message, headers=headers))
        await self.tell(received, "move", queue=self.queue, to=to, message=message)

    async def release(self, received):
        for each in received:
            await self.tell(each, "again", delay=0.0, attempts=-1)

    async def extend(self, received):
        for each in received:
            await self.link.ask(("extend", {"token": each.token}))

    async def close(self):
        self.is_closed = True
        await self.link.close()


def written(message):
    return {"headers": message.to_headers(), "body": message.body.decode("latin-1"), "key": message.key}


def read(found):
    return Message.from_headers(found["headers"], found["body"].encode("latin-1"))


class Factory(EventChannel):
    capabilities = Capabilities(orders=True, holds_back=True, max_bytes=MOST, lease=1.0)

    def open(self, broker):
        return Subject(broker.credentials)


class Parser(CredentialParser):
    def credentials(self, target):
        url = urlsplit(target.config.url)
        fields = {"host": url.hostname, "port": url.port, "username": url.username}
        return Credentials("subject", {**fields, "password": unquote(url.password or "")}, target.config.url)


@hookimpl
def architect_event_channel():
    return Factory()


@hookimpl
def architect_credential_parser():
    return Parser()


send, deliver, declare, consumer = Subject.send, Subject.deliver, Subject.declare, Subject.consumer
receive, take, ack, retry, dead, close = (
    getattr(SubjectConsumer, name) for name in ("receive", "take", "ack", "retry", "dead", "close")
)
"""
)
NAMES = ("events.subject", "subject")


class Checked(EventChannelSuite, abstract=True):
    channel = "events.subject"
    capabilities = Capabilities(orders=True, holds_back=True, max_bytes=300 * 1024, lease=channel_broker.LEASE_SECONDS)
    lease = channel_broker.LEASE_SECONDS
    timeout = 3.0
    redelivery = 2.0
    quiet = 0.1

    @pytest.fixture
    def broker(self):
        with channel_broker.running() as port:
            yield f"subject://ada:lovelace@127.0.0.1:{port}"


STATED = "test_the_capabilities_are_as_stated"
UNCHANGED = "test_a_message_arrives_unchanged"
EACH = "test_each_subscriber_gets_every_message_and_only_its_own"
NOBODY = "test_an_event_without_subscribers_is_accepted"
WAITS = "test_a_message_waits_for_a_subscriber_that_never_ran"
DECLARE = "test_declaring_again_and_at_once_changes_nothing"
ACK = "test_what_is_acknowledged_is_never_delivered_again"
CLOSED = "test_what_a_closed_consumer_held_is_delivered_again"
RETRY = "test_a_retried_message_arrives_again_after_its_delay"
OUTLIVES = "test_a_retry_outlives_its_consumer"
RELEASE = "test_what_is_released_is_delivered_again_at_once"
DEAD = "test_a_dead_message_is_kept_as_a_dead_letter"
DISCARD = "test_a_dead_letter_can_be_discarded_or_delivered_again"
ORDER = "test_messages_with_the_same_key_arrive_in_order"
HOLDS_BACK = "test_messages_wait_for_one_with_their_key_that_is_retried"
MANY = "test_a_hundred_messages_are_sent_at_once"
LARGE = "test_a_body_that_is_too_large_fails_alone_and_for_good"
LIMIT = "test_a_consumer_holds_no_more_than_its_limit"
RECEIVE = "test_receiving_ends_with_its_timeout_or_the_first_message"
CLOSING = "test_closing_ends_what_is_being_received"
LEASE = "test_an_extended_lease_lasts_longer"
GONE = "test_a_broker_that_is_gone_is_an_error_in_time"
LOST = "test_a_lost_connection_is_made_again"
SECRETS = "test_secrets_show_in_no_repr_no_log_and_no_error"
FORK = "test_a_channel_used_before_a_fork_works_in_the_child_and_after"


def channel(method: str, arguments: str, body: str) -> str:
    """A channel with another method."""
    return f"""
        async def otherwise(self, {arguments}):
            {body}
        Subject.{method} = otherwise
    """


def consuming(method: str, arguments: str, body: str) -> str:
    """A consumer with another method."""
    return f"""
        async def otherwise(self, {arguments}):
            {body}
        SubjectConsumer.{method} = otherwise
    """


def reading(change: str) -> str:
    """A consumer that changes the `message` that it reads."""
    return f"""
        read_right = read
        def read(found):
            message = read_right(found)
            return {change}
    """


def sending(before: str) -> str:
    """A channel that does something before it sends."""
    return channel(
        "send",
        "messages, timeout",
        f"""{before}
            return await send(self, messages, timeout)""",
    )


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "it says that it has another batch": Violation(
        STATED, "Factory.capabilities = replace(Factory.capabilities, batch=7)"
    ),
    "the content type is lost": Violation(UNCHANGED, reading("replace(message, content_type='application/json')")),
    "what is no UTF-8 is replaced": Violation(
        UNCHANGED, reading("replace(message, body=message.body.decode(errors='replace').encode())")
    ),
    "the first attempt of the large ones is the second": Violation(
        UNCHANGED,
        consuming(
            "take",
            "limit",
            """found = await take(self, limit)
            return [replace(each, attempt=each.attempt + (len(each.message.body) > 200_000)) for each in found]""",
        ),
    ),
    "events of all services are one": Violation(
        EACH,
        """
        def of_nobody(messages):
            return [replace(each, source="") for each in messages]
        async def deliver_to_all(self, messages):
            sent = [{"source": "", "event": each.event, "message": written(each)} for each in messages]
            return await self.link.ask(*(("send", each) for each in sent)) if sent else None
        async def declare_for_all(self, topics):
            await declare(self, of_nobody(topics))
        Subject.deliver, Subject.declare = deliver_to_all, declare_for_all
        """,
    ),
    "only the first topic arrives": Violation(
        EACH,
        consuming(
            "take",
            "limit",
            """found = await take(self, limit)
            await self.ack([each for each in found if each.message.event != self.topics[0].event])
            return [each for each in found if each.message.event == self.topics[0].event]""",
        ),
    ),
    "nobody's event is refused": Violation(
        NOBODY,
        channel(
            "deliver",
            "messages",
            """if await deliver(self, messages) == 0:
                raise ConnectionError("no queue is bound")""",
        ),
    ),
    "a queue that nobody ever consumed ends with the channel": Violation(
        WAITS,
        """
        async def declare_own(self, topics):
            self.declared = {name for each in topics for name in each.subscribers}
            await declare(self, topics)
        async def close_own(self):
            for name in getattr(self, "declared", set()) - {each.subscriber for each in self.consumers}:
                await self.link.ask(("purge", {"queue": name}))
            await close_channel(self)
        close_channel = Subject.close
        Subject.declare, Subject.close = declare_own, close_own
        """,
    ),
    "a queue that is declared again is emptied": Violation(
        DECLARE,
        channel(
            "declare",
            "topics",
            """for name in (name for each in topics for name in each.subscribers):
                await self.link.ask(("purge", {"queue": name}))
            await declare(self, topics)""",
        ),
    ),
    "a topic that exists gets no more subscribers": Violation(
        DECLARE,
        """
        known = set()
        async def declare_once(self, topics):
            new = [each for each in topics if each.event not in known]
            known.update(each.event for each in new)
            await declare(self, new)
        Subject.declare = declare_once
        """,
    ),
    "the last of three is not acknowledged": Violation(
        ACK,
        consuming(
            "ack",
            "received",
            """if len(received) == 3:
                self.held.discard(received[2].token)
            await ack(self, received[:2] if len(received) == 3 else received)""",
        ),
    ),
    "what is held is acknowledged by closing": Violation(
        CLOSED,
        consuming(
            "close",
            "",
            """for token in self.held:
                await self.link.ask(("ack", {"queue": self.queue, "token": token}))
            await close(self)""",
        ),
    ),
    "closing counts as no attempt": Violation(
        CLOSED,
        consuming(
            "close",
            "",
            """for token in self.held:
                await self.link.ask(("again", {"token": token, "delay": 0.0, "attempts": -1}))
            await close(self)""",
        ),
    ),
    "a delay is ignored": Violation(RETRY, consuming("retry", "received, delay", "await retry(self, received, 0.0)")),
    "a retry counts as no attempt": Violation(
        RETRY,
        consuming(
            "retry",
            "received, delay",
            """if self.is_dead:
                return await retry(self, received, delay)
            await self.tell(received, "again", delay=delay, attempts=-1)""",
        ),
    ),
    "a retry reaches all subscribers": Violation(
        RETRY,
        consuming(
            "retry",
            "received, delay",
            """if received.message.headers and not self.is_dead:
                await self.channel.deliver([received.message])
                return await self.ack([received])
            await retry(self, received, delay)""",
        ),
    ),
    "a retry is kept in memory": Violation(
        OUTLIVES,
        """
        async def retry_later(self, received, delay):
            async def later():
                await asyncio.sleep(delay)
                await retry(self, received, 0.0)
                kept.remove(received)
            kept.append(received)
            self.held.discard(received.token)
            self.tasks = [*getattr(self, "tasks", []), asyncio.create_task(later())]
        async def close_for_good(self):
            for each in getattr(self, "tasks", []):
                each.cancel()
            if kept:
                await ack(self, kept)
            await close(self)
        kept = []
        SubjectConsumer.retry, SubjectConsumer.close = retry_later, close_for_good
        """,
    ),
    "what is released is lost": Violation(RELEASE, consuming("release", "received", "await self.ack(received)")),
    "a dead letter has no headers": Violation(
        DEAD,
        consuming(
            "take",
            "limit",
            """found = await take(self, limit)
            for each in found if self.is_dead else ():
                each.message.headers.pop("x-text", None)
            return found""",
        ),
    ),
    "a dead letter has no reason": Violation(
        DEAD, consuming("dead", "received, reason", "await dead(self, received, '')")
    ),
    "a dead letter that is retried keeps its reason": Violation(
        DISCARD,
        consuming(
            "retry",
            "received, delay",
            """if self.is_dead:
                return await self.move(received, self.subscriber, received.message.headers)
            await retry(self, received, delay)""",
        ),
    ),
    "a dead letter cannot be discarded": Violation(
        DISCARD,
        consuming(
            "ack",
            "received",
            """if not self.is_dead:
                await ack(self, received)""",
        ),
    ),
    "a dead letter that is retried reaches all subscribers": Violation(
        DISCARD,
        consuming(
            "retry",
            "received, delay",
            """if self.is_dead:
                received.message.headers.pop(REASON_HEADER)
                await self.channel.deliver([received.message])
                return await self.ack([received])
            await retry(self, received, delay)""",
        ),
    ),
    "a large batch is sent in reverse": Violation(
        ORDER,
        channel(
            "deliver", "messages", "return await deliver(self, messages[::-1] if len(messages) > 10 else messages)"
        ),
    ),
    "a retry holds nothing back": Violation(
        HOLDS_BACK,
        """
        ask = Link.ask
        async def ask_for_all(self, *asked):
            more = {"take": {"waits": False}}
            return await ask(self, *((name, {**each, **more.get(name, {})}) for name, each in asked))
        Link.ask = ask_for_all
        """,
    ),
    "two messages must not be sent at once": Violation(
        MANY,
        channel(
            "deliver",
            "messages",
            """if self.link.lock.locked():
                raise ConnectionError("busy")
            return await deliver(self, messages)""",
        ),
    ),
    "a large batch has one receipt": Violation(
        MANY, channel("send", "messages, timeout", "return (await send(self, messages, timeout))[:99]")
    ),
    "a large batch is sent twice": Violation(
        MANY, channel("deliver", "messages", "return await deliver(self, messages * (1 + (len(messages) > 99)))")
    ),
    "what is too large is raised": Violation(
        LARGE,
        """
        def raise_it(self):
            raise ValueError("too large")
        Subject.too_large = raise_it
        """,
    ),
    "what is too large may be sent again": Violation(
        LARGE, "Subject.too_large = lambda self: Receipt(ValueError('too large'))"
    ),
    "what is too large fails all": Violation(
        LARGE, sending("if any(len(each.body) > MOST for each in messages): return [self.too_large()] * len(messages)")
    ),
    "what is too large is sent": Violation(LARGE, "MOST = 1 << 20"),
    "a consumer takes pending messages": Violation(
        LIMIT, consuming("take", "limit", "return await take(self, max(limit, 1))")
    ),
    "a consumer waits for as many as were asked for": Violation(
        RECEIVE,
        consuming(
            "receive",
            "limit, timeout",
            """found, end = [], asyncio.get_running_loop().time() + timeout
            while len(found) < limit and not self.is_closed and (left := end - asyncio.get_running_loop().time()) > 0:
                found += await receive(self, limit - len(found), left)
            return found or await receive(self, limit, 0)""",
        ),
    ),
    "a timeout is ignored": Violation(
        RECEIVE,
        consuming(
            "receive",
            "limit, timeout",
            """more = 1.0 if self.limit > 1 and not self.held else 0
            return await receive(self, limit, timeout + more)""",
        ),
    ),
    "a closed consumer goes on": Violation(
        CLOSING,
        consuming(
            "receive",
            "limit, timeout",
            """end = asyncio.get_running_loop().time() + timeout
            while not (found := await receive(self, limit, 0)) and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.01)
            return found""",
        ),
        {"timeout": 0.5},
    ),
    "a lease is not extended": Violation(LEASE, consuming("extend", "received", "pass")),
    "a broker that is gone is raised": Violation(
        GONE,
        channel(
            "send",
            "messages, timeout",
            """receipts = await send(self, messages, timeout)
            if any(isinstance(each.error, ConnectionRefusedError) for each in receipts):
                raise receipts[0].error
            return receipts""",
        ),
    ),
    "a broker that never answers is waited for": Violation(GONE, sending("timeout = None")),
    "a broker that is gone is gone for good": Violation(
        GONE,
        channel(
            "send",
            "messages, timeout",
            """receipts = await send(self, messages, timeout)
            return [replace(each, permanent=each.error is not None) for each in receipts]""",
        ),
    ),
    "declaring at a broker that is gone is no error": Violation(
        GONE,
        channel(
            "declare",
            "topics",
            """with suppress(OSError):
                await declare(self, topics)""",
        ),
    ),
    "receiving of a broker that is gone is no error": Violation(
        GONE,
        consuming(
            "receive",
            "limit, timeout",
            """try:
                return await receive(self, limit, timeout)
            except OSError:
                return []""",
        ),
    ),
    "receiving of a broker that is gone is another error": Violation(
        GONE,
        consuming(
            "receive",
            "limit, timeout",
            """try:
                return await receive(self, limit, timeout)
            except ConnectionRefusedError as problem:
                raise RuntimeError("the broker is gone") from problem""",
        ),
    ),
    "a lost connection is lost for good": Violation(
        LOST,
        """
        close_link = Link.close
        async def close_for_good(self):
            await close_link(self)
            self.is_lost = True
        async def connect_once(self):
            if hasattr(self, "is_lost"):
                raise ConnectionError("closed")
            await connect(self)
        connect = Link.connect
        Link.close, Link.connect = close_for_good, connect_once
        """,
        {"timeout": 0.5},
    ),
    "a log record shows a body": Violation(SECRETS, sending("log.info('sends %s', [each.body for each in messages])")),
    "a log record shows the URL": Violation(SECRETS, sending("log.debug('to %s', self.link.credentials.url)")),
    "the channel shows the password": Violation(
        SECRETS, "Subject.__repr__ = lambda self: f'Subject({self.link.credentials.password!r})'"
    ),
    "an error shows the URL": Violation(
        SECRETS,
        """
        connect = Link.connect
        async def connect_or_tell(self):
            try:
                await connect(self)
            except OSError as problem:
                raise ConnectionRefusedError(f"{self.credentials.url} is gone") from problem
        Link.connect = connect_or_tell
        """,
    ),
    "what was received shows its headers": Violation(
        SECRETS,
        """
        class Shown(Received):
            def __repr__(self):
                return f"Received({self.message.headers})"
        Received = Shown
        """,
    ),
    "a child cannot connect": Violation(
        FORK,
        """
        process = os.getpid()
        connect = Link.connect
        async def connect_here(self):
            if os.getpid() != process:
                raise ConnectionError("of another process")
            await connect(self)
        Link.connect = connect_here
        """,
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(IMPORTS, sending("import other_library")),
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(message_checks, "DELAY_SECONDS", 0.3)
    monkeypatch.setattr(shared, "SLACK_SECONDS", 0.6)


def test_a_good_plugin_passes_every_check(harness, pytester):
    assert harness.failures_in_pytest(pytester, PLUGIN, Checked, names=NAMES) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, violation, alone):
    failures = harness.failures(PLUGIN, Checked, violation, alone=alone, names=NAMES)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(EventChannelSuite))
