"""What a subclass of a suite of clients states."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import pytest

from architect_core.contract.client import ClientFactory
from architect_core.resolver.resolver import Resolver
from architect_testing.conformance.canary import SECRET
from architect_testing.conformance.suite import UNKNOWN, Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from architect_core.resolver.service import Service

    Entry = Mapping[str, Any]
    Resolve = Callable[[Entry], Service]


class ClientSubject(Suite, abstract=True):
    """The plugin whose clients are checked, and where they find a server."""

    _kind = ClientFactory
    _named_by = "api"
    _stated = ("api", "errors", "call")

    api: ClassVar[str]
    errors: ClassVar[tuple[type[Exception], ...] | None]
    timeout: ClassVar[float] = 10.0
    answers: ClassVar[bool] = True
    checks_options: ClassVar[bool] = True
    malformed_hosts: ClassVar[tuple[str, ...]] = ("http://[broken", "a b", "host:port:1", "")
    service: ClassVar[str] = "acme/subject"

    def with_secret(self, entry: Entry, secret: str) -> Entry:
        """`entry` with `secret` where this protocol takes secrets: in the host, as a password, unless overridden."""
        scheme, authority, path = re.fullmatch(r"(.*?://)?([^/]*)(.*)", entry["host"]).groups("")  # type: ignore[union-attr]
        host = authority.rpartition("@")[2]
        if host.count(":") > 1 and not host.startswith("["):
            host = f"[{host}]"
        return {**entry, "host": f"{scheme}architect:{quote(secret, safe='')}@{host}{path}", UNKNOWN: secret}

    def _with_secrets(self, entry: Entry) -> list[Entry]:
        # the second for a plugin that refuses the first
        return [self.with_secret(entry, SECRET), {**entry, UNKNOWN: SECRET}]

    def at(self, entry: Entry, port: int) -> Entry:
        """`entry` with another port of 127.0.0.1; to be overridden where the port is not the entry's `port`."""
        return {**entry, "port": port}

    @pytest.fixture
    def root(self) -> Path | None:
        """The folder of the service that asks, which holds generated stubs; None for a protocol that has none."""
        return None

    @pytest.fixture
    def resolve(self, root: Path | None) -> Iterator[Resolve]:
        """Gives the service with an entry; one factory makes all clients of a check, which are closed after it."""
        resolvers: list[Resolver] = []

        def resolve_entry(entry: Entry) -> Service:
            resolvers.append(Resolver({self.service: {**entry, "api": self.api}}, root=root, plugins=self._plugins))
            return resolvers[-1].service(self.service)

        yield resolve_entry
        for resolver in resolvers:
            with suppress(Exception):  # a check of its own tells
                resolver.close()
