"""What the suites of clients share, synchronous or asynchronous."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from architect_core.contract import ClientFactory
from architect_core.exceptions import ArchitectError
from architect_core.resolver import Resolver
from architect_core.resolver.service import Service
from architect_testing.conformance.suite import UNKNOWN, Suite, error_of, fail, needs
from architect_testing.tools.canary import SECRET
from architect_testing.tools.sockets import refusing, silent
from architect_testing.tools.threads import within

Entry = Mapping[str, Any]
Resolve = Callable[[Entry], Service]

CLOSING_SECONDS = 3.0


class ClientSuite(Suite, abstract=True):
    """The plugin whose clients are checked, how to reach its server, and the checks that all clients have."""

    _kind = ClientFactory
    _named_by = "api"
    _required = ("api", "errors", "call")

    api: ClassVar[str]
    errors: ClassVar[tuple[type[Exception], ...] | None]
    timeout: ClassVar[float] = 10.0
    answers: ClassVar[bool] = True
    checks_options: ClassVar[bool] = True
    malformed_hosts: ClassVar[tuple[str, ...]] = ("http://[broken", "a b", "host:port:1", "")
    service: ClassVar[str] = "acme/subject"

    @abstractmethod
    def call(self, client: Any) -> Any:
        """Call the service and check its answer. Let the exceptions of the client pass."""

    @abstractmethod
    def _call(self, service: Service) -> None:
        """Make a call with the service's client."""

    def with_secret(self, entry: Entry, secret: str) -> Entry:
        """`entry` with a secret where the protocol has one. By default, it is a password in the host."""
        scheme, authority, path = re.fullmatch(r"(.*?://)?([^/]*)(.*)", entry["host"]).groups("")  # type: ignore[union-attr] # matches any text
        host = authority.rpartition("@")[2]
        if host.count(":") > 1 and not host.startswith("["):
            host = f"[{host}]"
        return {**entry, "host": f"{scheme}architect:{quote(secret, safe='')}@{host}{path}", UNKNOWN: secret}

    def at(self, entry: Entry, port: int) -> Entry:
        """`entry` with another port of 127.0.0.1. Override it if the port is not the field `port`."""
        return {**entry, "port": port}

    def impatient(self, entry: Entry) -> Entry:
        """`entry` with short time-outs, for a server that never answers. Override it to make that check fast."""
        return entry

    @pytest.fixture
    def root(self) -> Path | None:
        """The folder of the calling service, which holds generated stubs; None for a protocol without stubs."""
        return None

    @pytest.fixture
    def resolve(self, root: Path | None) -> Iterator[Resolve]:
        """A function that returns the service with an entry. One factory makes all clients of a check."""
        resolvers: list[Resolver] = []

        def resolve_entry(entry: Entry) -> Service:
            resolvers.append(Resolver({self.service: {**entry, "api": self.api}}, root=root, plugins=self._plugins))
            return resolvers[-1].service(self.service)

        yield resolve_entry
        for resolver in resolvers:
            with suppress(Exception):  # closing has checks of its own
                resolver.close()

    def test_a_call_works(self, entry: Entry, resolve: Resolve) -> None:
        """A call with the service's client gets an answer."""
        self._call(resolve(entry))

    @needs(lambda suite: suite.errors is not None)
    def test_a_refused_connection_raises_the_library_s_error(self, entry: Entry, resolve: Resolve) -> None:
        """A call to a port where no server listens raises the error of the client's own library, in time."""
        with refusing() as port:
            self._assert_raises(resolve(self.at(entry, port)), "a refused connection")

    @needs(lambda suite: suite.errors is not None and suite.answers)
    def test_a_service_that_never_answers_raises_the_library_s_error(self, entry: Entry, resolve: Resolve) -> None:
        """A call to a server that accepts connections and never answers raises such an error, too, in time."""
        with silent() as port:
            self._assert_raises(resolve(self.at(self.impatient(entry), port)), "a server that never answers")

    def _assert_raises(self, service: Service, what: str) -> None:
        errors = self.errors or ()
        called = within(self.timeout, lambda: self._call(service))
        assert called.done(), f"a call must fail within {self.timeout:g} seconds for {what}; give the client a timeout"
        error = called.exception()
        if not isinstance(error, errors) or isinstance(error, ArchitectError):
            wanted = " or ".join(each.__name__ for each in errors)
            remedy = "Let the error of the client's library pass, and name its class in `errors`"
            fail(f"a call must raise {wanted} for {what}, and it raised {error!r}. {remedy}", error)

    def _assert_works(self, when: str, call: Callable[..., object], *args: object) -> None:
        error = error_of(call, *args)
        if error is not None:
            fail(f"a call {when} must work, and it raised a {type(error).__name__}: {error}", error)

    def _with_secrets(self, entry: Entry) -> list[Entry]:
        # the second for a plugin that refuses the first
        return [self.with_secret(entry, SECRET), {**entry, UNKNOWN: SECRET}]
