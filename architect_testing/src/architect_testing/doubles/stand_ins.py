"""What the resolver of a test uses in place of real dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import Configuration, Double, Source
from architect_core.resolver.reading import StandIns
from architect_core.schema import parse_services
from architect_testing.doubles.errors import NoDatastoreDoubleError, NoEventDoubleError, NoServiceDoubleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    from architect_core.exceptions import ArchitectError, UnknownNameError
    from architect_testing.doubles.events import RecordedNotification

WHERE = "the doubles of this test"


class TestStandIns(StandIns):
    """The doubles of one test: nothing else exists.

    Attributes:
        doubles: the doubles by service.
        notifications: the recorded events by name.
    """

    __test__ = False  # pytest collects no tests here

    def __init__(self, tested: str) -> None:
        super().__init__()
        self.doubles: dict[str, Double] = {}
        self._without_double = _NoDouble(tested, self.doubles)
        self.notifications: dict[str, RecordedNotification] = {}

    def double(self, service: str) -> Double | None:
        """The double of `service`; the tested service has an entry without one."""
        return self.doubles.get(service, self._without_double)

    def notification(self, event: str) -> RecordedNotification | None:
        """The recorded event."""
        return self.notifications.get(event)

    def unknown(self, error: UnknownNameError) -> ArchitectError:
        """The error says how to make a double."""
        for kind in (NoServiceDoubleError, NoDatastoreDoubleError, NoEventDoubleError):
            if isinstance(error, kind.__bases__[1]):
                return kind(error.name, error.known)
        raise error


class _NoDouble(Double):
    """Refuses to make a client for the tested service."""

    def __init__(self, tested: str, doubles: Mapping[str, Double]) -> None:
        super().__init__({})
        self._tested = tested
        self._doubles = doubles

    def client(self, make: Callable[[], Any]) -> NoReturn:  # noqa: ARG002 - it makes none
        raise NoServiceDoubleError(self._tested, self._doubles)

    aio_client = client


class Entries(Source):
    """The entries of a test's services, which grow with every double.

    Attributes:
        entries: the entry of each service by name.
    """

    def __init__(self, tested: str, api: str | None) -> None:
        """Make those of the tests of `tested`, which serves `api`."""
        self.tested = tested
        own: dict[str, Any] = {} if api is None else {"api": api, "host": "double.invalid"}
        self.entries: dict[str, dict[str, Any]] = {tested: own | {"datastores": {}, "subscriptions": {}}}

    def with_entry(self, name: str, entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The entries with one of a service; the tested service keeps its datastores and events."""
        own = self.entries.get(name, {})
        kept: dict[str, Any] = {key: own[key] for key in ("datastores", "subscriptions") if key in own}
        return {**self.entries, name: {**entry, **kept}}

    def with_own(self, kind: str, name: str, value: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The entries with a datastore or an event of the tested service; `kind` is its key in the entry."""
        own = self.entries[self.tested]
        return {**self.entries, self.tested: {**own, kind: {**own[kind], name: dict(value)}}}

    def load(self) -> Configuration:
        """The entries as they are now."""
        return Configuration(parse_services(self.entries, WHERE), self.tested, WHERE)
