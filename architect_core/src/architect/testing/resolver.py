"""The resolver that the SDK asks while a test's doubles are open. It grows with every double."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from architect.testing.errors import NoDatastoreDoubleError, NoEventDoubleError, NoServiceDoubleError
from architect.testing.plugins import DoublePlugins
from architect_core._base.names import MANIFEST_FILE
from architect_core._base.root import STUBS_FOLDER
from architect_core.contract.source import Configuration, Source
from architect_core.exceptions import StubError, UnknownDatastoreError, UnknownServiceError
from architect_core.resolver.resolver import Resolver
from architect_core.schema.config import ServiceConfig, parse_services

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from architect.testing.events import RecordedNotification
    from architect_core.contract.credentials import Credentials
    from architect_core.contract.double import Double
    from architect_core.resolver.events import Notification
    from architect_core.resolver.service import Service

WHERE = "the doubles of this test"


@dataclass(frozen=True)
class _GrowingSource(Source):
    configuration: Configuration

    def load(self) -> Configuration:
        return self.configuration


class DoubleResolver(Resolver):
    """Knows the doubles of one test and nothing else."""

    def __init__(self, current_service: str, api: str | None, root: Path | None) -> None:
        """Make one for the tests of `current_service`, which serves `api` and lies in `root`."""
        self.doubles: dict[str, Double] = {}
        self.recorded: dict[str, RecordedNotification] = {}
        self._tested = current_service
        self._serving: dict[str, Any] = {} if api is None else {"api": api, "host": "double.invalid"}
        self._own: dict[str, dict[str, Any]] = {"datastores": {}, "subscriptions": {}}
        self._folder = root
        self._entries: dict[str, ServiceConfig] = {}
        self.plugins = DoublePlugins(self.doubles)
        source = _GrowingSource(Configuration(self._entries, current_service, WHERE))
        super().__init__(source=source, plugins=self.plugins)
        self._state(current_service, self._serving)

    def add_service(self, name: str, double: Double, entry: Mapping[str, Any]) -> None:
        """`name` is `double` from now on; who asked for it before keeps the former, closed client."""
        with self._lock:
            self._state(name, entry)
            if name == self._tested:
                self._serving = dict(entry)
            self.doubles[name] = double
            former = self.services.pop(name, None)
        if former is not None:
            former.close()

    def add_datastore(self, name: str, entry: Mapping[str, Any]) -> Credentials:
        """The tested service has the datastore `name` from now on."""
        with self._lock:
            self._state_own("datastores", name, dict(entry))
            self._credentials.pop(name, None)
            return self.datastore(name)

    def add_event(self, recorded: RecordedNotification) -> None:
        """The tested service has the event `recorded` from now on."""
        with self._lock:
            self._state_own("subscriptions", recorded.event, {each.name: {} for each in recorded.subscriptions})
            self.recorded[recorded.event] = recorded

    def service(self, name: str) -> Service:  # noqa: D102
        try:
            return super().service(name)
        except UnknownServiceError as problem:
            known = problem.known
        raise NoServiceDoubleError(name, known)

    def datastore(self, name: str) -> Credentials:  # noqa: D102
        try:
            return super().datastore(name)
        except UnknownDatastoreError as problem:
            known = problem.known
        raise NoDatastoreDoubleError(name, known)

    def notification(self, event: str) -> Notification:  # noqa: D102
        if not isinstance(event, str) or event not in self.recorded:
            raise NoEventDoubleError(event, self.recorded)
        return self.recorded[event]

    def find_root(self) -> Path:
        """The tested service's folder."""
        if self._folder is None:
            raise StubError(
                f"the folder of {self._tested}, whose tests these are, was not found: neither the working directory "
                f"nor one above it holds {MANIFEST_FILE} or {STUBS_FOLDER}. Run `architect install` in the service's "
                "folder, or pass `root=` to Doubles()"
            )
        return self._folder

    def _find_root(self) -> Path:
        return self.find_root()

    def _state_own(self, kind: str, name: str, value: Mapping[str, Any]) -> None:
        former = self._own
        self._own = {**former, kind: {**former[kind], name: value}}
        try:
            self._state(self._tested, self._serving)
        except BaseException:
            self._own = former
            raise

    def _state(self, name: str, entry: Mapping[str, Any]) -> None:
        """Check the entry of `name`, and have it known from now on."""
        own = self._own if name == self._tested else {}
        self._entries.update(parse_services({name: {**entry, **own}}, WHERE))
        if name in self.services:
            self.services[name].config = self._entries[name]
