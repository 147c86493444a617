"""The suite of plugins that make clients."""

from __future__ import annotations

import gc
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from architect_core.exceptions import ArchitectError
from architect_core.resolver.service import Service
from architect_testing.conformance.client import CLOSING_SECONDS, ClientSuite, Entry, Resolve
from architect_testing.conformance.suite import UNKNOWN, WRONG_PORTS, config_error, error_of, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.forking import can_fork, in_child
from architect_testing.tools.sockets import can_see_sockets, left_open, open_sockets, refusing
from architect_testing.tools.threads import together

_MAKE_A_CLIENT = """
from architect_core.resolver import Resolver
Resolver(asked["config"], root=asked["root"]).service(asked["service"]).client
"""


class ClientFactorySuite(ClientSuite, abstract=True):
    """Checks the clients of a protocol.

        class TestSmtpClients(ClientFactorySuite):
            api = "smtp"
            errors = (OSError,)

            @pytest.fixture
            def entry(self, server):
                return {"host": "127.0.0.1", "port": server.port}

            def call(self, client):
                client.noop()

    A subclass defines `api`, `errors`, `call` and a fixture `entry`: the configuration of a service that answers,
    without `api`. Its server must accept fifty connections at once, and run in another process if the protocol's
    library cannot fork while it serves. For a protocol with stubs, a fixture `root` returns the folder that holds them.
    Override `with_secret` and `at` if a secret or the port is not where most protocols have it.

    Attributes:
        api: the plugin's name, which is its entry point's.
        errors: what the client's own library raises if a server cannot be reached; None if it cannot know, as over UDP.
        timeout: seconds within which a call must fail if nothing answers, and a forked child must have its answer.
        answers: whether a call waits for an answer. If not, a server that never answers is no error.
        checks_options: whether an unknown option is an error.
        malformed_hosts: values that are no `host` of this protocol.
        service: the service's name, if stubs depend on it.
    """

    def _call(self, service: Service) -> None:
        self.call(service.client)

    def test_each_service_has_a_client_of_its_own(self, entry: Entry, resolve: Resolve) -> None:
        """The factory makes a new client for each service, and closing one closes no other."""
        first, second = resolve(entry), resolve(entry)
        self._call(first)
        self._call(second)
        assert first.client is not second.client, "two services share one client; return a new one from each client()"
        first.close()
        self._assert_works("after another service's client was closed", self._call, second)

    def test_fifty_threads_share_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty threads that use a service at once get one client, and all of their calls succeed."""
        service = resolve(entry)

        def call(_: int) -> Any:
            self._call(service)
            return service.client

        clients = {id(client) for client in together(call)}
        assert len(clients) == 1, f"fifty threads got {len(clients)} clients of one service"

    @needs(lambda _: can_fork())
    def test_a_client_used_before_a_fork_works_in_the_child_and_after(self, entry: Entry, resolve: Resolve) -> None:
        """A service that was used before `os.fork` works in the child, and in the parent after the child has ended."""
        service = resolve(entry)
        self._call(service)
        in_child(lambda: self._call(service), self.timeout)
        self._assert_works("after a forked child has used the service", self._call, service)

    @needs(lambda _: can_see_sockets())
    def test_close_releases_the_sockets(self, entry: Entry, resolve: Resolve) -> None:
        """After `close()`, no socket is open that was not open before the client was made."""
        warm = resolve(entry)  # opens what the library opens only once
        self._call(warm)
        warm.close()
        service = resolve(entry)
        before = open_sockets()
        client = service.client  # referenced, so that only closing it can close its sockets
        self._call(service)
        gc.freeze()  # nor can the garbage collector
        service.close()
        left = left_open(before, CLOSING_SECONDS)
        gc.unfreeze()
        assert not left, f"{left} sockets of a {type(client).__name__} stay open; ClientFactory.close() must close them"

    def test_a_service_can_be_used_again_after_close(self, entry: Entry, resolve: Resolve) -> None:
        """After `close()`, the next `client` is one that works."""
        service = resolve(entry)
        self._call(service)
        service.close()
        self._assert_works("after close()", self._call, service)

    def test_nothing_of_other_plugins_is_imported(self, entry: Entry, root: Path | None) -> None:
        """Making a client imports no other plugin, and nothing that only other plugins require."""
        config = {self.service: {**entry, "api": self.api}}
        self._assert_own_imports(_MAKE_A_CLIENT, config=config, root=root and str(root), service=self.service)

    @needs(lambda suite: suite.checks_options)
    def test_an_unknown_option_is_refused_with_its_path(self, entry: Entry, resolve: Resolve) -> None:
        """An unknown option raises a ConfigError that has its path and not its value."""
        wrong = {**entry, "options": {**entry.get("options", {}), UNKNOWN: SECRET}}
        path = f"{self.service}.options.{UNKNOWN}"
        assert_hidden(SECRET, error=config_error("an unknown option", path, _make, resolve, wrong))

    def test_a_malformed_host_or_port_is_refused_with_its_path(self, entry: Entry, resolve: Resolve) -> None:
        """A malformed host or port raises a ConfigError about that field when the client is made."""
        wrong = [*(("host", host) for host in self.malformed_hosts), *(("port", port) for port in WRONG_PORTS)]
        for field, value in wrong:
            config_error(f"the {field} {value!r}", f"{self.service}.{field}", _make, resolve, {**entry, field: value})

    def test_an_error_about_a_host_shows_no_password(self, entry: Entry, resolve: Resolve) -> None:
        """The error about a malformed host does not show the password in it."""
        for password in (SECRET, quote(SECRET, safe="")):
            wrong = {**entry, "host": f"http://architect:{password}@[broken"}
            assert_hidden(SECRET, error=error_of(_make, resolve, wrong))

    def test_secrets_show_in_no_repr_and_no_log(
        self, entry: Entry, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Configured secrets are in no repr, str and format of an object, and in no log record of a call."""
        for holding in self._with_secrets(entry):
            with caplog.at_level(logging.DEBUG):
                error = error_of(lambda: self._call(resolve(holding)))  # noqa: B023 - called at once
            assert_hidden(SECRET, error=error, logs=caplog.records)
            with suppress(ArchitectError):  # raised above, too, and checked there
                service, factory = resolve(holding), self._provided()
                assert_hidden(SECRET, service=service, config=service.config, client=service.client, factory=factory)
                assert_hidden(SECRET, options=factory.Options(**service.config.options))

    @needs(lambda suite: suite.errors is not None)
    def test_secrets_show_in_no_error_of_a_dead_endpoint(self, entry: Entry, resolve: Resolve) -> None:
        """Configured secrets are nowhere in the error of a refused connection."""
        with refusing() as port:
            for holding in self._with_secrets(self.at(entry, port)):
                assert_hidden(SECRET, error=error_of(lambda: self._call(resolve(holding))))  # noqa: B023 - likewise


def _make(resolve: Resolve, entry: Entry) -> None:
    _ = resolve(entry).client
