"""Each check of ClientFactorySuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_testing import ClientFactorySuite
from architect_testing.conformance import client_factory

PLUGIN = (
    HEAD
    + """
import logging
import os
import socket
import threading

from pydantic import PositiveFloat, SecretStr

from architect_core.contract.client import ClientFactory, Options
from architect_core.exceptions import ArchitectError, ConfigError

log = logging.getLogger(__name__)


class LineOptions(Options):
    timeout: PositiveFloat = 5.0
    token: SecretStr = SecretStr("")


class LineClient:
    def __init__(self, address, timeout, password):
        self._address = address
        self._timeout = timeout
        self._password = password
        self._turn = threading.Lock()
        self._connection = None

    def ask(self, question):
        with self._turn:
            return self._ask(question)

    def _ask(self, question):
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.sendall(question + b"\\n")
            answer = b""
            while not answer.endswith(b"\\n"):
                answer += self._receive()
            return answer[:-1]
        except OSError:
            self._disconnect()
            raise

    def _connect(self):
        return socket.create_connection(self._address, self._timeout)

    def _receive(self):
        received = self._connection.recv(4096)
        if not received:
            raise ConnectionResetError("the server has closed the connection")
        return received

    def close(self):
        self._disconnect()

    def __del__(self):
        self._disconnect()

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __repr__(self):
        return f"LineClient({self._address})"


class LineClientFactory(ClientFactory):
    Options = LineOptions

    def client(self, target):
        address = target.address()
        return LineClient((address.host, address.port), target.options.timeout, address.password)


@hookimpl
def architect_client_factory():
    return LineClientFactory()


connect, ask, make = LineClient._connect, LineClient.ask, LineClientFactory.client
"""
)


class Subject(ClientFactorySuite, abstract=True):
    api = "subject"
    errors = (OSError,)
    port: ClassVar[int]

    @pytest.fixture
    def entry(self):
        return {"host": "127.0.0.1", "port": self.port}

    def impatient(self, entry):
        return {**entry, "options": {"timeout": 0.1}}

    def call(self, client):
        assert client.ask(b"question") == b"question"


def with_secret_as_option(self, entry, secret):
    return {**entry, "options": {"token": secret}}


SECRET_AS_OPTION = {"with_secret": with_secret_as_option}


OWN_CLIENT = "test_each_service_has_a_client_of_its_own"
THREADS = "test_fifty_threads_share_a_client"
FORK = "test_a_client_used_before_a_fork_works_in_the_child_and_after"
SOCKETS = "test_close_releases_the_sockets"
AGAIN = "test_a_service_can_be_used_again_after_close"
OPTIONS = "test_an_unknown_option_is_refused_with_its_path"
ADDRESSES = "test_a_malformed_host_or_port_is_refused_with_its_path"
HOSTS = "test_an_error_about_a_host_shows_no_password"
REPRS = "test_secrets_show_in_no_repr_and_no_log"
ERRORS = "test_secrets_show_in_no_error_of_a_dead_endpoint"
REFUSED = "test_a_refused_connection_raises_the_library_s_error"
SILENT = "test_a_service_that_never_answers_raises_the_library_s_error"


def in_a_child(then: str) -> str:
    """A client that does `then` in a forked child."""
    return f"""
        process = os.getpid()
        def ask_at_home(self, question):
            if os.getpid() != process:
                {then}
            return ask(self, question)
        LineClient.ask = ask_at_home
    """


def when_refused(then: str) -> str:
    """A client that does `then` with the `problem` of a refused connection, and the `secret`."""
    return f"""
        class Told(ConnectionRefusedError):
            pass
        def connect_or_tell(self):
            try:
                return connect(self)
            except ConnectionRefusedError as refused:
                problem, secret = refused, str(self._password)
            {then}
            raise problem
        LineClient._connect = connect_or_tell
    """


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "the first call fails": Violation(
        "test_a_call_works",
        """
        calls = []
        def ask_again(self, question):
            calls.append(question)
            return ask(self, question) if len(calls) > 1 else b""
        LineClient.ask = ask_again
        """,
    ),
    "one client for all services": Violation(
        OWN_CLIENT,
        """
        made = {}
        def make_once(self, target):
            key = self, os.getpid()
            made[key] = made.get(key) or make(self, target)
            return made[key]
        LineClientFactory.client = make_once
        """,
    ),
    "closing one client spoils the others": Violation(
        OWN_CLIENT,
        """
        def make_and_list(self, target):
            client = make(self, target)
            vars(self).setdefault("made", []).append(client)
            return client
        def close_all(self, client):
            for each in self.made:
                each.close()
                each.ask = None
        LineClientFactory.client, LineClientFactory.close = make_and_list, close_all
        """,
    ),
    "two threads must not meet": Violation(
        THREADS,
        """
        def ask_alone(self, question):
            if not self._turn.acquire(blocking=False):
                raise RuntimeError("used by two threads at once")
            try:
                return self._ask(question)
            finally:
                self._turn.release()
        LineClient.ask = ask_alone
        """,
    ),
    "a child cannot use it": Violation(FORK, in_a_child("raise RuntimeError('of another process')")),
    "a child hangs": Violation(FORK, in_a_child("threading.Event().wait()"), {"timeout": 1.0}),
    "a child dies": Violation(FORK, in_a_child("os.abort()")),
    "a child uses the parent's connection": Violation(FORK, "LineClientFactory.fork_safe = True"),
    "a parent cannot use it any longer": Violation(
        FORK,
        """
        import weakref
        alive = weakref.WeakSet()
        def make_and_list(self, target):
            client = make(self, target)
            alive.add(client)
            return client
        LineClientFactory.client = make_and_list
        os.register_at_fork(after_in_parent=lambda: [setattr(client, "ask", None) for client in list(alive)])
        """,
    ),
    "close does nothing": Violation(SOCKETS, "LineClient.close = lambda self: None"),
    "a closed client is given again": Violation(
        AGAIN,
        """
        made = []
        def make_once(self, target):
            known = [client for other, process, client in made if other is target.config and process == os.getpid()]
            client = known[0] if known else make(self, target)
            made.append((target.config, os.getpid(), client))
            return client
        def close_for_ever(self, client):
            client.close()
            client.ask = None
        LineClientFactory.client, LineClientFactory.close = make_once, close_for_ever
        """,
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(IMPORTS, "import other_library"),
    "it works here and nowhere else": Violation(IMPORTS, "import sys; assert 'pytest' in sys.modules, 'not here'"),
    "any option is taken": Violation(
        OPTIONS, "LineOptions.model_config['extra'] = 'allow'\nLineOptions.model_rebuild(force=True)"
    ),
    "an unknown option is told with its value": Violation(
        OPTIONS,
        """
        LineOptions.model_config["extra"] = "allow"
        LineOptions.model_rebuild(force=True)
        def make_unless_unknown(self, target):
            for name, value in (target.options.model_extra or {}).items():
                raise target.error(f"options.{name}", f"unknown, with the value {value}")
            return make(self, target)
        LineClientFactory.client = make_unless_unknown
        """,
    ),
    "any host is taken": Violation(
        ADDRESSES,
        """
        def make_of_any_host(self, target):
            host, port = target.config.host.rpartition("@")[2], target.config.port
            return LineClient((host, port), target.options.timeout, None)
        LineClientFactory.client = make_of_any_host
        """,
    ),
    "a malformed host is another error": Violation(
        ADDRESSES,
        """
        def make_or_fail(self, target):
            try:
                return make(self, target)
            except ConfigError:
                raise ValueError("malformed") from None
        LineClientFactory.client = make_or_fail
        """,
    ),
    "a malformed host is told as another field": Violation(
        ADDRESSES,
        """
        def make_or_blame(self, target):
            try:
                return make(self, target)
            except ConfigError:
                raise target.error("port", "malformed") from None
        LineClientFactory.client = make_or_blame
        """,
    ),
    "an error about a host shows it": Violation(
        HOSTS,
        """
        def make_or_show(self, target):
            try:
                return make(self, target)
            except ConfigError:
                raise target.error("host", f"{target.config.host} is malformed") from None
        LineClientFactory.client = make_or_show
        """,
    ),
    "a repr shows the password": Violation(REPRS, "LineClient.__repr__ = lambda self: f'LineClient({self._password})'"),
    "a factory shows what it made": Violation(
        REPRS,
        """
        def make_and_keep(self, target):
            self.last = target.address().password
            return make(self, target)
        LineClientFactory.last, LineClientFactory.client = None, make_and_keep
        LineClientFactory.__repr__ = lambda self: f"Factory({self.last})"
        """,
    ),
    "options show a secret": Violation(
        REPRS,
        """
        class Shown(Options):
            timeout: PositiveFloat = 5.0
            token: str = ""
        LineClientFactory.Options = Shown
        """,
        SECRET_AS_OPTION,
    ),
    "a log record shows the password": Violation(
        REPRS,
        """
        def connect_and_log(self):
            connection = connect(self)
            log.debug("logged in with %s", self._password)
            return connection
        LineClient._connect = connect_and_log
        """,
    ),
    "a log record shows a header": Violation(
        REPRS,
        """
        from base64 import b64encode
        def connect_and_log(self):
            connection = connect(self)
            log.debug("Authorization: Basic %s", b64encode(f"user:{self._password}".encode()).decode())
            return connection
        LineClient._connect = connect_and_log
        """,
    ),
    "a log record shows an unknown key": Violation(
        REPRS,
        """
        def make_and_log(self, target):
            log.debug("making", extra={"wanted": dict(target.config)})
            return make(self, target)
        LineClientFactory.client = make_and_log
        """,
    ),
    "an error shows the password": Violation(ERRORS, when_refused("problem = Told(f'as {secret}')")),
    "an error shows a URL": Violation(
        ERRORS,
        when_refused("from urllib.parse import quote; problem = Told(f'line://u:{quote(secret, safe=str())}@host')"),
    ),
    "a refused connection is another error": Violation(REFUSED, when_refused("problem = RuntimeError('refused')")),
    "a refused connection is an error of architect": Violation(
        REFUSED, when_refused("problem = type('Refused', (ArchitectError, ConnectionRefusedError), {})()")
    ),
    "a refused connection is no error": Violation(
        REFUSED,
        """
        def ask_or_echo(self, question):
            try:
                return ask(self, question)
            except ConnectionRefusedError:
                return question
        LineClient.ask = ask_or_echo
        """,
    ),
    "it waits for ever": Violation(
        SILENT, "LineClient._connect = lambda self: socket.create_connection(self._address)", {"timeout": 1.0}
    ),
    "silence is another error": Violation(
        SILENT,
        """
        def ask_or_fail(self, question):
            try:
                return ask(self, question)
            except TimeoutError:
                raise RuntimeError("silent") from None
        LineClient.ask = ask_or_fail
        """,
    ),
}


class EchoHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


class EchoServer(socketserver.ThreadingTCPServer):
    """Answers each line with itself."""

    allow_reuse_address = True
    block_on_close = False
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may go as it likes."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with EchoServer(("127.0.0.1", 0), EchoHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def closing_soon(monkeypatch):
    monkeypatch.setattr(client_factory, "CLOSING_SECONDS", 0.2)


@pytest.mark.parametrize("suite", [{}, SECRET_AS_OPTION], ids=["in the host", "as an option"])
def test_a_good_plugin_passes_every_check(harness, pytester, port, suite):
    assert harness.failures_in_pytest(pytester, PLUGIN, Subject, port=port, **suite) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, port, violation, alone):
    failures = harness.failures(PLUGIN, Subject, violation, alone=alone, port=port)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(ClientFactorySuite))
