"""Each check of AioClientSuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import gc
import socketserver
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import ClassVar

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, Violation, checks_of, each_violation

from architect_testing import AioClientSuite
from architect_testing.conformance import aio_client

PLUGIN = (
    HEAD
    + """
import asyncio
import logging

from architect_core.contract import ClientFactory, Options
from architect_core.exceptions import ConfigError

log = logging.getLogger(__name__)


class LineClient:
    def __init__(self, address, password, timeout):
        self._address = address
        self._timeout = timeout
        self._password = password
        self._turn = asyncio.Lock()
        self._connection = None

    async def ask(self, question):
        async with self._turn, asyncio.timeout(self._timeout):
            if self._connection is None:
                self._connection = await self._connect()
            reading, writing = self._connection
            writing.write(question + b"\\n")
            answer = await reading.readline()
            if not answer:
                raise ConnectionResetError("the server has closed the connection")
            return answer[:-1]

    async def _connect(self):
        return await asyncio.open_connection(*self._address)

    async def aclose(self):
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection[1].close()
            await connection[1].wait_closed()

    def __repr__(self):
        return f"LineClient({self._address})"


class LineOptions(Options):
    timeout: float = 5.0


class LineClientFactory(ClientFactory):
    Options = LineOptions

    def client(self, target):
        raise NotImplementedError

    def aio_client(self, target):
        address = target.address()
        return LineClient((address.host, address.port), address.password, target.options.timeout)


@hookimpl
def architect_client_factory():
    return LineClientFactory()


connect, ask, make = LineClient._connect, LineClient.ask, LineClientFactory.aio_client
"""
)


class Subject(AioClientSuite, abstract=True):
    api = "subject"
    errors = (OSError,)
    port: ClassVar[int]

    @pytest.fixture
    def entry(self):
        return {"host": "127.0.0.1", "port": self.port}

    def impatient(self, entry):
        return {**entry, "options": {"timeout": 0.1}}

    async def call(self, client):
        assert await client.ask(b"question") == b"question"


WORKS = "test_a_call_works"
TASKS = "test_fifty_tasks_share_a_client"
LOOPS = "test_fifty_loops_each_have_a_client"
SOCKETS = "test_no_socket_is_left_when_a_loop_has_ended"
AGAIN = "test_a_service_can_be_used_again_after_close"
SECRETS = "test_secrets_show_in_no_repr_no_log_and_no_error"
REFUSED = "test_a_refused_connection_raises_the_library_s_error"
SILENT = "test_a_service_that_never_answers_raises_the_library_s_error"

VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "the first call of a process fails": Violation(
        WORKS,
        """
        calls = []
        calls = []
        async def ask_or_fail(self, question):
            calls.append(question)
            if len(calls) == 1:
                raise RuntimeError("the first")
            return await ask(self, question)
        LineClient.ask = ask_or_fail
        """,
    ),
    "two tasks must not meet": Violation(
        TASKS,
        """
        async def ask_alone(self, question):
            if self._turn.locked():
                raise RuntimeError("one at a time")
            return await ask(self, question)
        LineClient.ask = ask_alone
        """,
    ),
    "one client for all loops": Violation(
        LOOPS,
        """
        made = {}
        def make_once(self, target):
            return made.setdefault(target.config.port, make(self, target))
        LineClientFactory.aio_client = make_once
        async def ask_apart(self, question):
            other = LineClient(self._address, None, 5.0)
            try:
                return await ask(other, question)
            finally:
                await other.aclose()
        LineClient.ask = ask_apart
        """,
    ),
    "a client is only forgotten": Violation(
        SOCKETS,
        """
        kept = []
        async def keep(self):
            kept.append(self._connection)
            self._connection = None
        LineClient.aclose = keep
        """,
    ),
    "a closed client is given again": Violation(
        AGAIN,
        """
        made = {}
        def make_once(self, target):
            loop = asyncio.get_running_loop()
            if loop not in made:
                made[loop] = make(self, target)
            return made[loop]
        LineClientFactory.aio_client = make_once
        async def close(self):
            await aclose(self)
            self._address = ("127.0.0.1", 1)
        aclose = LineClient.aclose
        LineClient.aclose = close
        """,
    ),
    "a repr shows the password": Violation(
        SECRETS, "LineClient.__repr__ = lambda self: f'LineClient({self._password})'"
    ),
    "a log record shows the password": Violation(
        SECRETS,
        """
        async def connect_and_log(self):
            log.debug("as %s", self._password)
            return await connect(self)
        LineClient._connect = connect_and_log
        """,
    ),
    "an error shows the password": Violation(
        SECRETS,
        """
        async def connect_or_tell(self):
            try:
                return await connect(self)
            except OSError as problem:
                raise OSError(f"as {self._password}") from problem
        LineClient._connect = connect_or_tell
        """,
    ),
    "a refused connection is another error": Violation(
        REFUSED,
        """
        async def connect_or_fail(self):
            try:
                return await connect(self)
            except ConnectionRefusedError:
                raise RuntimeError("refused") from None
        LineClient._connect = connect_or_fail
        """,
    ),
    "it waits for ever": Violation(
        SILENT,
        """
        async def ask_for_ever(self, question):
            try:
                return await ask(self, question)
            except TimeoutError:
                await asyncio.sleep(60)
        LineClient.ask = ask_for_ever
        """,
        {"timeout": 1.0},
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
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may go as it likes."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with EchoServer(("127.0.0.1", 0), EchoHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Sockets that a bad plugin leaves open are closed here, and not in the midst of another test."""
    yield
    sys.modules.pop("architect_subject", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def closing_soon(monkeypatch):
    monkeypatch.setattr(aio_client, "CLOSING_SECONDS", 0.2)


def test_a_good_plugin_passes_every_check(harness, pytester, port):
    assert harness.failures_in_pytest(pytester, PLUGIN, Subject, port=port) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, port, violation, alone):
    failures = harness.failures(PLUGIN, Subject, violation, alone=alone, port=port)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(AioClientSuite))
