"""The checks of a client that is used as it should be."""

from __future__ import annotations

import gc
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from architect_testing.conformance.client_subject import ClientSubject
from architect_testing.conformance.forking import can_fork, in_child
from architect_testing.conformance.imports import foreign_imports
from architect_testing.conformance.sockets import can_see_sockets, left_open, open_sockets
from architect_testing.conformance.suite import error_of, fail, needs
from architect_testing.conformance.threads import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from architect_core.resolver.service import Service

    Entry = Mapping[str, Any]
    Resolve = Callable[[Entry], Service]

_CLOSING_SECONDS = 3.0
_MAKE_A_CLIENT = """
from architect_core.resolver.resolver import Resolver
Resolver(asked["config"], root=asked["root"]).service(asked["service"]).client
"""


class ClientUse(ClientSubject, abstract=True):
    """What a subclass of `ClientFactorySuite` states, and what must hold where all goes well."""

    @abstractmethod
    def call(self, client: Any) -> object:
        """Ask the service something, and take the answer; what the client raises is raised on."""

    def test_a_call_works(self, entry: Entry, resolve: Resolve) -> None:
        """The client that `service(name).client` gives gets an answer."""
        self.call(resolve(entry).client)

    def test_each_service_has_a_client_of_its_own(self, entry: Entry, resolve: Resolve) -> None:
        """One factory makes a new client for each service, and closing one closes no other."""
        first, second = resolve(entry), resolve(entry)
        self.call(first.client)
        self.call(second.client)
        assert first.client is not second.client, "the factory gave one client to two services; make a new one for each"
        first.close()
        self._assert_works(second, "when another service's client was closed")

    def test_fifty_threads_that_ask_at_once_share_a_client(self, entry: Entry, resolve: Resolve) -> None:
        """Fifty threads get one client, and all of their calls on it succeed."""
        service = resolve(entry)

        def ask(_: int) -> Any:
            self.call(service.client)
            return service.client

        clients = {id(client) for client in together(ask)}
        assert len(clients) == 1, f"fifty threads got {len(clients)} clients of one service"

    @needs(lambda _: can_fork())
    def test_a_client_used_before_a_fork_works_in_the_child_and_after(self, entry: Entry, resolve: Resolve) -> None:
        """A service that was used before `os.fork` can be used in the child, and by the parent when that has ended."""
        service = resolve(entry)
        self.call(service.client)
        in_child(lambda: self.call(service.client), self.timeout)
        self._assert_works(service, "when a forked child had used it and ended")

    @needs(lambda _: can_see_sockets())
    def test_close_releases_the_sockets(self, entry: Entry, resolve: Resolve) -> None:
        """No socket is open after `close()` that was not before the client was made."""
        warm = resolve(entry)  # what a library opens once for ever is no client's
        self.call(warm.client)
        warm.close()
        service = resolve(entry)
        before = open_sockets()
        client = service.client  # kept, because its sockets are to be closed and not only forgotten
        self.call(client)
        with _without_collection():
            service.close()
            left = left_open(before, _CLOSING_SECONDS)
        assert not left, f"{left} sockets of a {type(client).__name__} stay open; ClientFactory.close() must close them"

    def test_a_service_can_be_used_again_after_close(self, entry: Entry, resolve: Resolve) -> None:
        """The next `client` after `close()` is one that works."""
        service = resolve(entry)
        self.call(service.client)
        service.close()
        self._assert_works(service, "after close()")

    def test_nothing_of_other_plugins_is_imported(self, entry: Entry, root: Path | None) -> None:
        """Making a client imports no other plugin, and nothing that only other plugins require."""
        config = {self.service: {**entry, "api": self.api}}
        asked = {"config": config, "root": root and str(root), "service": self.service}
        found = foreign_imports(self.api, _MAKE_A_CLIENT, asked)
        assert not found, f"making a client imports what belongs to other plugins: {found}. Require it, or do without"

    def _assert_works(self, service: Service, when: str) -> None:
        error = error_of(lambda: self.call(service.client))
        if error is not None:
            fail(f"a service must be usable {when}, and a call raised a {type(error).__name__}: {error}", error)


@contextmanager
def _without_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
