"""Each check of EventDeliverySuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import socketserver
import threading

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_core.contract import Capabilities, Subscription
from architect_testing import EventDeliverySuite
from architect_testing.conformance import channel as shared

PLUGIN = (
    HEAD
    + """
import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import replace
from time import monotonic

from architect_core.contract import Capabilities, Channel, EventChannel, Receipt

log = logging.getLogger(__name__)


class Socket(Channel):
    async def send(self, messages, timeout):
        return await asyncio.gather(*(self.deliver(each, timeout) for each in messages))

    async def deliver(self, message, timeout):
        started = monotonic()
        try:
            async with asyncio.timeout(timeout):
                await self.post(message.to, message.body)
        except OSError as problem:
            return Receipt(problem, elapsed=monotonic() - started)
        return Receipt(elapsed=monotonic() - started)

    async def post(self, to, body):
        reader, writer = await asyncio.open_connection(to.host.removeprefix("http://"), to.port)
        try:
            writer.write(body)
            writer.write_eof()
            if await reader.read(2) != b"ok":
                raise ConnectionResetError("the subscriber did not take the event")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Factory(EventChannel):
    capabilities = Capabilities(keeps=False)

    def open(self, broker):
        return Socket()


@hookimpl
def architect_event_channel():
    return Factory()


send, deliver, post = Socket.send, Socket.deliver, Socket.post
"""
)
NAMES = ("events.subject",)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.bodies.append(self.rfile.read())
        self.wfile.write(b"ok")


class Server(socketserver.ThreadingTCPServer):
    block_on_close = False
    daemon_threads = True
    request_queue_size = 128


class Checked(EventDeliverySuite, abstract=True):
    channel = "events.subject"
    capabilities = Capabilities(keeps=False)
    impatient = 0.3

    @pytest.fixture
    def server(self):
        with Server(("127.0.0.1", 0), Handler) as server:
            server.bodies = []
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield server
            server.shutdown()

    @pytest.fixture
    def subscription(self, server):
        return Subscription("acme/mailer", "http://127.0.0.1", server.server_address[1], "/event", api="subject")

    @pytest.fixture
    def received(self, server):
        return lambda: list(server.bodies)


STATED = "test_the_capabilities_are_as_stated"
EACH = "test_each_subscriber_gets_the_body_unchanged"
NONE = "test_without_messages_nothing_is_sent"
REFUSED = "test_a_refusing_subscriber_delays_no_other"
SILENT = "test_silent_subscribers_delay_no_other"
SECRETS = "test_secrets_show_in_no_repr_no_log_and_no_error"
MANY = "test_fifty_are_sent_at_once"
FORK = "test_a_channel_used_before_a_fork_works_in_the_child_and_after"


def method(name: str, arguments: str, body: str) -> str:
    """A channel with another method."""
    return f"""
        async def otherwise(self, {arguments}):
            {body}
        Socket.{name} = otherwise
    """


def sending(body: str) -> str:
    """A channel with another `send`."""
    return method("send", "messages, timeout", body)


def posting(before: str) -> str:
    """A channel that does something before it posts."""
    return method(
        "post",
        "to, body",
        f"""{before}
            await post(self, to, body)""",
    )


def failing(what: str) -> str:
    """A channel that does `what` with the `problem` of a delivery `to` a subscriber."""
    return method(
        "post",
        "to, body",
        f"""try:
                return await post(self, to, body)
            except OSError as failed:
                problem = failed
            {what}
            raise problem""",
    )


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "it says that it keeps": Violation(STATED, "Factory.capabilities = Capabilities()"),
    "receipts are missing": Violation(
        EACH, sending("return (await send(self, messages, timeout))[: 4 if len(messages) == 5 else None]")
    ),
    "the body is stripped": Violation(EACH, posting("body = body.strip()")),
    "a success has a failing status": Violation(
        EACH,
        sending(
            """receipts = await send(self, messages, timeout)
            return [replace(each, status=302) for each in receipts] if len(receipts) == 5 else receipts"""
        ),
    ),
    "no messages are no list": Violation(
        NONE, sending("return await send(self, messages, timeout) if messages else [Receipt()]")
    ),
    "a refusal is raised": Violation(
        REFUSED,
        failing("if isinstance(problem, ConnectionRefusedError) and not to.headers: raise RuntimeError('refused')"),
    ),
    "a refusal is permanent": Violation(
        REFUSED,
        sending(
            """receipts = await send(self, messages, timeout)
            return [replace(each, permanent=isinstance(each.error, ConnectionRefusedError)) for each in receipts]"""
        ),
    ),
    "after a refusal nobody is asked": Violation(
        REFUSED,
        sending(
            """if len(messages) != 3:
                return await send(self, messages, timeout)
            receipts = []
            for each in messages:
                failed = receipts and receipts[-1].error
                receipts.append(receipts[-1] if failed else await self.deliver(each, timeout))
            return receipts"""
        ),
    ),
    "it waits for ever": Violation(
        SILENT, method("deliver", "message, timeout", "return await deliver(self, message, None)")
    ),
    "one waits for the other": Violation(
        SILENT, sending("return [await self.deliver(each, timeout) for each in messages]")
    ),
    "silence is a success": Violation(
        SILENT,
        method(
            "deliver",
            "message, timeout",
            """receipt = await deliver(self, message, timeout)
            return Receipt() if isinstance(receipt.error, TimeoutError) else receipt""",
        ),
    ),
    "a log record shows the headers": Violation(SECRETS, posting("log.debug('with %s', dict(to.headers))")),
    "an error shows the login": Violation(SECRETS, failing("problem = ConnectionError(f'refused {to.auth}')")),
    "an error shows the signing secret": Violation(
        SECRETS, failing("problem = ConnectionError(f'refused {to.secrets}')")
    ),
    "an exception shows the headers": Violation(
        SECRETS,
        sending(
            """for each in messages:
                for value in each.to.headers.values():
                    value.encode("latin-1")
            return await send(self, messages, timeout)"""
        ),
    ),
    "the channel shows whom it asked last": Violation(
        SECRETS, posting("self.last = to") + "    Socket.__repr__ = lambda self: f'asked {self.last.auth}'\n"
    ),
    "two must not be sent at once": Violation(
        MANY,
        """
        turn = asyncio.Lock()
        async def send_alone(self, messages, timeout):
            if turn.locked():
                return [Receipt(ConnectionError("busy"))]
            async with turn:
                return await send(self, messages, timeout)
        Socket.send = send_alone
        """,
    ),
    "a child cannot send": Violation(
        FORK,
        """
        process = os.getpid()
        """
        + posting("if os.getpid() != process: raise ConnectionError('of another process')"),
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(IMPORTS, posting("import other_library")),
}


@pytest.fixture(autouse=True)
def little_slack(monkeypatch):
    monkeypatch.setattr(shared, "SLACK_SECONDS", 0.5)


def test_a_good_plugin_passes_every_check(harness, pytester):
    assert harness.failures_in_pytest(pytester, PLUGIN, Checked, names=NAMES) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, violation, alone):
    failures = harness.failures(PLUGIN, Checked, violation, alone=alone, names=NAMES)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(EventDeliverySuite))
