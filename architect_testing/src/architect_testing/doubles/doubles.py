"""What a test says about the application's dependencies."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from architect.sdk import use
from architect_core.contract import MANIFEST_FILE, STUBS_FOLDER, Double, DoubleFactory, DoubleTarget, search_root
from architect_core.exceptions import PluginError, StubError
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver
from architect_core.resolver.service import Generation, default_lock, handed_out
from architect_core.schema.manifest import load_manifest
from architect_testing.doubles.errors import EndedDoubleError
from architect_testing.doubles.events import RecordedNotification, call_handler
from architect_testing.doubles.stand_ins import Entries, TestStandIns

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from architect_core.contract import Credentials
    from architect_core.resolver.service import Service

_SUBSCRIBERS = {"subscriber": 200}


_open: list[Doubles] = []  # those that are open, the outermost first


class Doubles:
    """Stand-ins for what an application depends on, while a test runs.

        with Doubles(current_service="acme/reminders") as doubles:
            doubles.service("acme/billing", "rest", {"GET /invoices/7": {"paid": False}})
            remind(7)

    While it is open, `architect.sdk` knows the doubles and nothing else: a dependency without one is an error, never
    the real one. Closed, it leaves what was there before. The environment is neither read nor written. One may be
    opened inside of another; of two threads, both see the one that was opened last. In a `unittest.TestCase`:
    `self.doubles = self.enterContext(Doubles())`.
    """

    def __init__(self, *, current_service: str | None = None, root: str | os.PathLike[str] | None = None) -> None:
        """Say whose tests these are.

        Args:
            current_service: the tested service's name; what the `architect.json` in `root` says, else "application".
            root: the tested service's folder, which holds `architect.json` and `architect_services`. The nearest one
                above the program or the working directory, unless given.

        Raises:
            ManifestError: the `architect.json` is malformed.
        """
        folder = search_root() if root is None else Path(root).absolute()
        manifest = load_manifest(folder) if folder is not None and (folder / MANIFEST_FILE).is_file() else None
        name = current_service or (manifest.name if manifest else "application")
        api = manifest.api.type if manifest and manifest.api and manifest.name == name else None
        self._name = name
        self._folder = folder
        self._entries = Entries(name, api)
        self._stand_ins = TestStandIns(name)
        self._plugins = Plugins()
        self._resolver = Resolver(
            source=self._entries, root=folder, plugins=self._plugins, stand_ins=self._stand_ins, handed_out=handed_out
        )
        self._opened = ExitStack()

    def service(self, name: str, api: str, behaviour: Any, **entry: Any) -> Double:
        """Stand in for the service `name`; a second time, take the place of what stood in for it.

            billing = doubles.service("acme/billing", "rest", {"GET /invoices/7": {"paid": False}})
            assert [each.path_url for each in billing.requests] == ["/invoices/7"]

        The application gets the client that it has in production, with its options and errors.

        Args:
            name: the service's name.
            api: the protocol, whose plugin stands in.
            behaviour: what the service does, in a form that the protocol's plugin documents.
            entry: more of its entry in the configuration, such as `options={"read_timeout": 1}`.

        Returns:
            The double, whose `requests` are what the application asked, in order.

        Raises:
            NoPluginError: no installed plugin serves `api`.
            PluginError: the plugin has no doubles.
            TypeError: the behaviour has a form that means nothing to it.
            ConfigError: the name or the entry is malformed.
        """
        asked_by = f"double of {name!r}"
        factory = self._plugins.get(DoubleFactory, api, asked_by)
        double: object = factory.double(DoubleTarget(name, behaviour, self._find_root))
        if not isinstance(double, Double):
            owner = self._plugins.owner(api)
            raise PluginError(
                f"{asked_by}: {owner} made a {type(double).__name__}, where the contract asks for a Double"
            )
        self._opened.callback(double.close)
        entries = self._entries.with_entry(name, {**double.entry, **entry, "api": api})
        self._stand_in(self._stand_ins.doubles, name, double, entries)
        return double

    def datastore(self, name: str, /, **entry: Any) -> Credentials:
        """Give the tested service the datastore `name`.

            db = doubles.datastore("primary_db", type="sqlite", name=str(tmp_path / "test.db"))

        Args:
            name: the datastore's name.
            entry: its entry in the configuration. Without a `type`, the one in `architect.json` is taken.

        Returns:
            The credentials that the application gets.

        Raises:
            NoPluginError: no installed plugin reads the engine's credentials.
            ConfigError: the entry is malformed.
        """
        former = self._entries.entries
        self._reload(self._entries.with_own("datastores", name, entry))
        try:
            return self._resolver.datastore(name)
        except BaseException:
            self._reload(former)
            raise

    def notification(
        self, event: str, schema: Any = None, *, subscribers: Mapping[str, int | Exception] = _SUBSCRIBERS
    ) -> RecordedNotification:
        """Give the tested service the event `event`, whose publications are recorded and reach nobody.

            letters = doubles.notification("reminder_sent", Reminder, subscribers={"acme/mailer": 503})
            assert letters.events == [{"invoice": 7}]

        Args:
            event: the event's name.
            schema: a pydantic model, or any type that pydantic checks; a payload that does not fit it is an
                UnfitEventError in the application's `publish()`.
            subscribers: name of a subscriber -> the status that it answers with, or the exception that keeps it from
                answering. One that answers 200 unless given.

        Returns:
            What the application gets, whose `events` are the payloads that were published, in order.

        Raises:
            ConfigError: the name of the event or of a subscriber is malformed.
        """
        recorded = RecordedNotification(event, schema, subscribers)
        entries = self._entries.with_own("subscriptions", event, {each: {} for each in subscribers})
        self._stand_in(self._stand_ins.notifications, event, recorded, entries)
        return recorded

    def deliver(
        self, service: str, event: str, payload: object = None, *, key: str | None = None, attempt: int = 1
    ) -> Any:
        """Call the application's function that `architect.on` registered for an event of another service.

            letters = doubles.notification("letter_sent")
            doubles.deliver("acme/orders", "order_placed", {"order": 7})
            assert letters.events == [{"order": 7}]

        The function gets an `Event` with a new id, and is called as it is: nothing is retried, and its time is not
        limited. A coroutine function runs in an event loop of its own.

        Args:
            service: the service that publishes the event.
            event: the event's name.
            payload: what is published; the function gets it as parsed from JSON.
            key: the event's key.
            attempt: which attempt this is.

        Returns:
            What the function returns. What it raises is raised.

        Raises:
            UnknownEventError: no function is registered for it; the message lists those that are.
            PayloadError: the payload cannot be written as JSON.
        """
        return call_handler(service, event, payload, key, attempt)

    def __enter__(self) -> Self:
        self._entries.load()  # raises for a malformed name, while nothing is replaced yet
        held = {each: each.generation for each in _handed_out()}
        self._opened.callback(self._leave, use(self._resolver), held)
        _open.append(self)
        self._resolver.adopt(held)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._resolver.close()
        finally:
            self._opened.close()  # the doubles, the last one first, and then `_leave`

    def _leave(self, former: Resolver | None, held: Mapping[Service, Generation]) -> None:
        """Have services that application code holds be what they were before; those that it got here have ended."""
        _open.remove(self)
        use(former)
        services = _handed_out()
        for service in services:
            ended = Generation(service.generation.config, unknown=partial(EndedDoubleError, service.name, ()))
            service.become(held.get(service, ended))
        if _open:
            _open[-1]._resolver.adopt([each for each in services if each not in held])  # noqa: SLF001 - of its own kind

    def _stand_in(self, stand_ins: dict[str, Any], name: str, new: object, entries: dict[str, dict[str, Any]]) -> None:
        """Use a stand-in and entries that have it; if they are malformed, the former ones stay."""
        former = stand_ins.get(name)
        stand_ins[name] = new
        try:
            self._reload(entries)
        except BaseException:
            if former is None:
                del stand_ins[name]
            else:
                stand_ins[name] = former
            raise

    def _reload(self, entries: dict[str, dict[str, Any]]) -> None:
        """Use other entries; if they are malformed, the former ones stay."""
        former, self._entries.entries = self._entries.entries, entries
        try:
            self._entries.load()  # which checks them, although nothing may have been looked up yet
            self._resolver.reload()
        except BaseException:
            self._entries.entries = former
            raise
        self._resolver.drain()

    def _find_root(self) -> Path:
        if self._folder is None:
            raise StubError(
                f"the folder of {self._name}, whose tests these are, was not found: neither the working directory nor "
                f"one above it holds {MANIFEST_FILE} or {STUBS_FOLDER}. Run `architect install` in the service's "
                "folder, or pass `root=` to Doubles()"
            )
        return self._folder


def _handed_out() -> list[Service]:
    with default_lock:
        return list(handed_out)
