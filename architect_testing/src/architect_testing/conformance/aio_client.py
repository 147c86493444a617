"""The suite of plugins that make clients for asyncio."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import pytest  # noqa: TC002 - it reads the annotations of its fixtures

from architect_core.exceptions import ArchitectError
from architect_testing.conformance.canary import SECRET, assert_hidden
from architect_testing.conformance.client_subject import ClientSubject
from architect_testing.conformance.sockets import can_see_sockets, left_open, open_sockets, refusing, silent
from architect_testing.conformance.suite import error_of, fail, needs
from architect_testing.conformance.threads import THREADS, together, within

if TYPE_CHECKING:
    from architect_core.resolver.service import Service
    from architect_testing.conformance.client_subject import Entry, Resolve

_CLOSING_SECONDS = 3.0


class AioClientSuite(ClientSubject, abstract=True):
    """What must hold for the clients of a protocol that `service(name).aio.client` gives.

        class TestSmtpAioClients(AioClientSuite):
            api = "smtp"
            errors = (OSError,)

            @pytest.fixture
            def entry(self, server):
                return {"host": "127.0.0.1", "port": server.port, "options": {"timeout": 1}}

            async def call(self, client):
                await client.noop()

    What is stated is what `ClientFactorySuite` asks for, but for `call`, which is a coroutine.
    """

    _stated = ("api", "errors", "call")

    @abstractmethod
    async def call(self, client: Any) -> object:
        """Ask the service something, and take the answer; what the client raises is raised on."""

    def _ask(self, service: Service, times: int = 1) -> None:
        """Make some calls at once, in an event loop of their own."""

        async def ask() -> None:
            await asyncio.gather(*(self.call(service.aio.client) for _ in range(times)))

        asyncio.run(ask())

    def test_a_call_works(self, entry: Entry, resolve: Resolve) -> None:
        """The client that `service(name).aio.client` gives gets an answer."""
        self._ask(resolve(entry))

    def test_fifty_tasks_share_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty calls at once on one client succeed."""
        error = error_of(self._ask, resolve(entry), THREADS)
        if error is not None:
            fail(f"{THREADS} calls at once on one client raised a {type(error).__name__}: {error}", error)

    def test_fifty_loops_each_have_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty threads, each with an event loop, get fifty clients that work."""
        service = resolve(entry)
        clients: list[Any] = []

        async def ask() -> None:
            clients.append(service.aio.client)
            await self.call(clients[-1])

        together(lambda _: asyncio.run(ask()))
        assert len({id(each) for each in clients}) == THREADS, (
            "the factory gave one client to several event loops; make a new one for each call of aio_client()"
        )

    @needs(lambda _: can_see_sockets())
    def test_no_socket_is_left_when_a_loop_has_ended(self, entry: Entry, resolve: Resolve) -> None:
        """No socket is open when `asyncio.run` has returned that was not before."""
        self._ask(resolve(entry))  # what a library opens once for ever is no client's
        service = resolve(entry)
        before = open_sockets()
        clients: list[Any] = []  # kept, because its sockets are to be closed and not only forgotten

        async def ask() -> None:
            clients.append(service.aio.client)
            await self.call(clients[0])

        asyncio.run(ask())
        left = left_open(before, _CLOSING_SECONDS)
        kind = type(clients[0]).__name__
        assert not left, f"{left} sockets of a {kind} stay open; ClientFactory.aio_close() must close them"

    def test_a_service_can_be_used_again_after_close(self, entry: Entry, resolve: Resolve) -> None:
        """The next `aio.client` after `aio.close()` is one that works."""
        service = resolve(entry)

        async def ask_again() -> None:
            await self.call(service.aio.client)
            await service.aio.close()
            await self.call(service.aio.client)

        error = error_of(asyncio.run, ask_again())
        if error is not None:
            fail(f"a service must be usable after close(), and a call raised a {type(error).__name__}: {error}", error)

    @needs(lambda suite: suite.errors is not None)
    def test_secrets_show_in_no_repr_no_log_and_no_error(
        self, entry: Entry, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Configured secrets show nowhere when a client is made and calls to where nobody listens."""

        async def ask(service: Service, shown: list[object]) -> None:
            shown.append(service.aio.client)
            await self.call(shown[0])

        with refusing() as port:
            for holding in self._with_secrets(self.at(entry, port)):
                shown: list[object] = []
                service = resolve(holding)
                with caplog.at_level(logging.DEBUG):
                    error = error_of(lambda: asyncio.run(ask(service, shown)))  # noqa: B023 - it is called at once
                assert_hidden(SECRET, error=error, logs=caplog.records, aio=service.aio, clients=shown)

    @needs(lambda suite: suite.errors is not None)
    def test_a_refused_connection_is_told_as_the_library_tells_it(self, entry: Entry, resolve: Resolve) -> None:
        """A call to where nobody listens raises what the client's own library raises, in time."""
        with refusing() as port:
            self._assert_told(resolve(self.at(entry, port)), "a service where nobody listens")

    @needs(lambda suite: suite.errors is not None and suite.answers)
    def test_a_service_that_never_answers_is_told_as_the_library_tells_it(self, entry: Entry, resolve: Resolve) -> None:
        """A call to what accepts a connection and never answers raises the same, in time."""
        with silent() as port:
            self._assert_told(resolve(self.at(entry, port)), "a service that accepts and never answers")

    def _assert_told(self, service: Service, what: str) -> None:
        errors = self.errors or ()
        outcome = within(self.timeout, lambda: self._ask(service))
        assert not outcome.late, f"{what} must be told within {self.timeout:g} seconds; give the client a timeout"
        if not isinstance(outcome.error, errors) or isinstance(outcome.error, ArchitectError):
            wanted = " or ".join(error.__name__ for error in errors)
            remedy = "Raise on what the client's library raises, and state it in `errors`"
            fail(f"{what} must be told as {wanted}, and gave {outcome.error!r}. {remedy}", outcome.error)
