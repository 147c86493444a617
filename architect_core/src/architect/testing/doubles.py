"""What a test says about the application's dependencies."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from architect.sdk import _swap
from architect.testing.events import RecordedNotification
from architect.testing.resolver import DoubleResolver
from architect_core._base.names import MANIFEST_FILE
from architect_core._base.root import search_root
from architect_core.contract.double import Double, DoubleFactory, DoubleTarget
from architect_core.exceptions import PluginError
from architect_core.schema.manifest import load_manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from architect_core.contract.credentials import Credentials

_SUBSCRIBERS = {"subscriber": 200}


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
        self._resolver = DoubleResolver(name, api, folder)
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
        plugins = self._resolver.plugins
        factory = plugins.get(DoubleFactory, api, asked_by)
        double: object = factory.double(DoubleTarget(name, behaviour, self._resolver.find_root))
        if not isinstance(double, Double):
            raise PluginError(
                f"{asked_by}: {plugins.owner(api)} made a {type(double).__name__}, where the contract asks for a Double"
            )
        self._opened.callback(double.close)
        self._resolver.add_service(name, double, {**double.entry, **entry, "api": api})
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
        return self._resolver.add_datastore(name, entry)

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
        self._resolver.add_event(recorded)
        return recorded

    def __enter__(self) -> Self:
        self._opened.callback(_swap, _swap(self._resolver))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._resolver.close()
        finally:
            self._opened.close()  # the doubles, the last one first, and then what was asked before
