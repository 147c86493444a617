"""Each check of EventPublisherSuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import socketserver
import threading

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_core.contract import Subscription
from architect_testing import EventPublisherSuite
from architect_testing.conformance import event_publisher

PLUGIN = (
    HEAD
    + """
import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from architect_core.contract import Delivery, EventPublisher

log = logging.getLogger(__name__)


class SocketPublisher(EventPublisher):
    def publish(self, subscriptions, body, timeout):
        started = monotonic()
        with ThreadPoolExecutor(max(len(subscriptions), 1)) as threads:
            return list(threads.map(lambda each: self.deliver(each, body, timeout, started), subscriptions))

    def deliver(self, subscription, body, timeout, started):
        try:
            self.send(subscription, body, timeout)
        except OSError as problem:
            return Delivery(subscription, None, monotonic() - started, problem)
        return Delivery(subscription, 200, monotonic() - started)

    def send(self, subscription, body, timeout):
        address = subscription.host.removeprefix("http://"), subscription.port
        with socket.create_connection(address, timeout) as connection:
            connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(2) != b"ok":
                raise ConnectionResetError("the subscriber did not take the event")


@hookimpl
def architect_event_publisher():
    return SocketPublisher()


publish, deliver, send = SocketPublisher.publish, SocketPublisher.deliver, SocketPublisher.send
"""
)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.bodies.append(self.rfile.read())
        self.wfile.write(b"ok")


class Server(socketserver.ThreadingTCPServer):
    block_on_close = False
    daemon_threads = True
    request_queue_size = 128


class Subject(EventPublisherSuite, abstract=True):
    api = "subject"
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


EACH = "test_each_subscriber_gets_the_body_unchanged"
NONE = "test_without_subscribers_nothing_is_delivered"
REFUSED = "test_a_refusing_subscriber_delays_no_other"
SILENT = "test_silent_subscribers_delay_no_other"
SECRETS = "test_secrets_show_in_no_repr_no_log_and_no_error"
THREADS = "test_fifty_threads_publish_at_once"
FORK = "test_a_publisher_used_before_a_fork_works_in_the_child_and_after"


def publishing(body: str) -> str:
    """A publisher with another `publish`."""
    return f"""
        def publish_otherwise(self, subscriptions, body, timeout):
            {body}
        SocketPublisher.publish = publish_otherwise
    """


def sending(before: str) -> str:
    """A publisher that does something before it sends."""
    return f"""
        def send_otherwise(self, subscription, body, timeout):
            {before}
            return send(self, subscription, body, timeout)
        SocketPublisher.send = send_otherwise
    """


def failing(what: str) -> str:
    """A publisher that does `what` with the `problem` of a delivery."""
    return f"""
        class Told(OSError):
            pass
        def send_or_tell(self, subscription, body, timeout):
            try:
                return send(self, subscription, body, timeout)
            except OSError as failed:
                problem = failed
            {what}
            raise problem
        SocketPublisher.send = send_or_tell
    """


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "deliveries are in another order": Violation(
        EACH,
        publishing("return sorted(publish(self, subscriptions, body, timeout), key=is_first)")
        + "    is_first = lambda each: each.subscription.name == 'acme/s0'\n",
    ),
    "the body is stripped": Violation(EACH, sending("body = body.strip()")),
    "a success has no status": Violation(
        EACH,
        """
        def deliver_silently(self, subscription, body, timeout, started):
            delivery = deliver(self, subscription, body, timeout, started)
            return delivery if subscription.name != "acme/s4" else Delivery(subscription, None, 0.0)
        SocketPublisher.deliver = deliver_silently
        """,
    ),
    "no subscribers are no list": Violation(
        NONE, publishing("return publish(self, subscriptions, body, timeout) if subscriptions else None")
    ),
    "a refusal is raised": Violation(
        REFUSED, failing("if isinstance(problem, ConnectionRefusedError): raise RuntimeError('refused')")
    ),
    "a refusal is an answer": Violation(
        REFUSED,
        """
        def deliver_anyhow(self, subscription, body, timeout, started):
            delivery = deliver(self, subscription, body, timeout, started)
            refused = isinstance(delivery.error, ConnectionRefusedError)
            return Delivery(subscription, 503, 0.0, delivery.error) if refused else delivery
        SocketPublisher.deliver = deliver_anyhow
        """,
    ),
    "after a refusal nobody is told": Violation(
        REFUSED,
        publishing(
            """started, refused = monotonic(), []
            deliveries = []
            for each in subscriptions if len(subscriptions) < 5 else ():
                deliveries.append(self.deliver(each, body, timeout, started) if not refused else refused[0])
                if isinstance(deliveries[-1].error, ConnectionRefusedError):
                    refused.append(Delivery(subscriptions[-1], None, 0.0, deliveries[-1].error))
            return deliveries or publish(self, subscriptions, body, timeout)"""
        ),
    ),
    "it waits for ever": Violation(SILENT, sending("timeout = None")),
    "one waits for the other": Violation(
        SILENT, publishing("return [self.deliver(each, body, timeout, monotonic()) for each in subscriptions]")
    ),
    "silence is a success": Violation(SILENT, failing("if isinstance(problem, TimeoutError): return")),
    "a log record shows the headers": Violation(SECRETS, sending("log.debug('with %s', dict(subscription.headers))")),
    "an error shows the login": Violation(SECRETS, failing("problem = Told(f'refused {subscription.auth}')")),
    "an error shows the headers": Violation(SECRETS, failing("problem.add_note(f'sent {subscription.headers}')")),
    "an exception shows the headers": Violation(
        SECRETS,
        """
        def publish_latin_1(self, subscriptions, body, timeout):
            for subscription in subscriptions:
                for value in subscription.headers.values():
                    value.encode("latin-1")
            return publish(self, subscriptions, body, timeout)
        SocketPublisher.publish = publish_latin_1
        """,
    ),
    "the publisher shows whom it told last": Violation(
        SECRETS,
        sending("self.last = subscription") + "    SocketPublisher.__repr__ = lambda self: f'told {self.last.auth}'\n",
    ),
    "two threads must not meet": Violation(
        THREADS,
        """
        turn = threading.Lock()
        def publish_alone(self, subscriptions, body, timeout):
            if not turn.acquire(blocking=False):
                raise RuntimeError("used by two threads at once")
            try:
                return publish(self, subscriptions, body, timeout)
            finally:
                turn.release()
        SocketPublisher.publish = publish_alone
        """,
    ),
    "its threads do not survive a fork": Violation(
        FORK,
        """
        threads = ThreadPoolExecutor(64)
        def publish_in_threads(self, subscriptions, body, timeout):
            started = monotonic()
            return list(threads.map(lambda each: self.deliver(each, body, timeout, started), subscriptions))
        SocketPublisher.publish = publish_in_threads
        """,
        {"timeout": 1.0},
    ),
    "a child cannot publish": Violation(
        FORK,
        """
        process = os.getpid()
        """
        + sending("if os.getpid() != process: raise ConnectionError('of another process')"),
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(IMPORTS, sending("import other_library")),
}


@pytest.fixture(autouse=True)
def little_slack(monkeypatch):
    monkeypatch.setattr(event_publisher, "SLACK_SECONDS", 0.5)


def test_a_good_plugin_passes_every_check(harness, pytester):
    assert harness.failures_in_pytest(pytester, PLUGIN, Subject) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, violation, alone):
    failures = harness.failures(PLUGIN, Subject, violation, alone=alone)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(EventPublisherSuite))
