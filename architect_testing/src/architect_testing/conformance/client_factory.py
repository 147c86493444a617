"""The suite of plugins that make clients."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from architect_core.exceptions import ArchitectError
from architect_testing.conformance.canary import SECRET, assert_hidden
from architect_testing.conformance.client_use import ClientUse
from architect_testing.conformance.sockets import refusing, silent
from architect_testing.conformance.suite import NO_PORTS, UNKNOWN, error_of, fail, needs, refusal
from architect_testing.conformance.threads import within

if TYPE_CHECKING:
    import pytest

    from architect_core.resolver.service import Service
    from architect_testing.conformance.client_use import Entry, Resolve


class ClientFactorySuite(ClientUse, abstract=True):
    """What must hold for the clients of a protocol.

        class TestSmtpClients(ClientFactorySuite):
            api = "smtp"
            errors = (OSError,)
            timeout = 5.0

            @pytest.fixture
            def entry(self, server):
                return {"host": "127.0.0.1", "port": server.port, "options": {"timeout": 1}}

            def call(self, client):
                client.noop()

    A subclass states `api`, `errors`, `call` and a fixture `entry`: the entry of a service that answers, without `api`.
    Its server takes fifty connections at once, and runs in another process if the protocol's library cannot fork beside
    a server. A fixture `root` gives the folder that holds generated stubs, for a protocol that has them. Where a secret
    or a port is not where most protocols have it, `with_secret` and `at` are overridden.

    Attributes:
        api: the plugin's name, which is the entry point's.
        errors: what the client's own library raises where nothing answers; None where it cannot tell, as over UDP.
        timeout: seconds within which a dead endpoint is told, and a forked child has its answer.
        answers: whether a call waits for an answer. Where not, a service that never answers need not be told.
        checks_options: whether an unknown option is an error.
        malformed_hosts: what is no `host` of this protocol.
        service: the service's name, where stubs depend on it.
    """

    @needs(lambda suite: suite.checks_options)
    def test_an_unknown_option_is_refused_with_its_path(self, entry: Entry, resolve: Resolve) -> None:
        """An option that the plugin does not have is a ConfigError with its path and without its value."""
        wrong = {**entry, "options": {**entry.get("options", {}), UNKNOWN: SECRET}}
        path = f"{self.service}.options.{UNKNOWN}"
        assert_hidden(SECRET, error=refusal("an unknown option", path, _make, resolve, wrong))

    def test_a_malformed_host_or_port_is_refused_with_its_path(self, entry: Entry, resolve: Resolve) -> None:
        """What is no address is a ConfigError about the field that is wrong, when the client is made."""
        wrong = [*(("host", host) for host in self.malformed_hosts), *(("port", port) for port in NO_PORTS)]
        for field, value in wrong:
            refusal(f"the {field} {value!r}", f"{self.service}.{field}", _make, resolve, {**entry, field: value})

    def test_an_error_about_a_host_shows_no_password(self, entry: Entry, resolve: Resolve) -> None:
        """Whatever is said about a malformed host with a password in it, the password is not."""
        for password in (SECRET, quote(SECRET, safe="")):
            wrong = {**entry, "host": f"http://architect:{password}@[broken"}
            assert_hidden(SECRET, error=error_of(_make, resolve, wrong))

    def test_secrets_show_in_no_repr_and_no_log(
        self, entry: Entry, resolve: Resolve, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Configured secrets are in no repr, str and format of what is made, and in no log record of making a call."""
        for holding in self._with_secrets(entry):
            with caplog.at_level(logging.DEBUG):
                error = error_of(self._ask, resolve, holding)
            assert_hidden(SECRET, error=error, logs=caplog.records)
            with suppress(ArchitectError):  # a refusal, which is the error above
                service = resolve(holding)
                assert_hidden(SECRET, service=service, config=service.config)
                factory, target = service.generation.use().factory, service.generation.use().target
                assert_hidden(SECRET, factory=factory, target=target, options=target.options, client=service.client)

    @needs(lambda suite: suite.errors is not None)
    def test_secrets_show_in_no_error_of_a_dead_endpoint(self, entry: Entry, resolve: Resolve) -> None:
        """Configured secrets are nowhere in the error of a call to where nobody listens."""
        with refusing() as port:
            for holding in self._with_secrets(self.at(entry, port)):
                assert_hidden(SECRET, error=error_of(self._ask, resolve, holding))

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
        outcome = within(self.timeout, lambda: self.call(service.client))
        assert not outcome.late, f"{what} must be told within {self.timeout:g} seconds; give the client a timeout"
        if not isinstance(outcome.error, errors) or isinstance(outcome.error, ArchitectError):
            wanted = " or ".join(error.__name__ for error in errors)
            remedy = "Raise on what the client's library raises, and state it in `errors`"
            fail(f"{what} must be told as {wanted}, and gave {outcome.error!r}. {remedy}", outcome.error)

    def _ask(self, resolve: Resolve, entry: Entry) -> None:
        self.call(resolve(entry).client)


def _make(resolve: Resolve, entry: Entry) -> None:
    _ = resolve(entry).client
