"""Every error of architect, in one tree.

    ArchitectError
    ├── ConfigError             what the environment or `configure()` holds is malformed
    │   └── ManifestError       an `architect.json` is malformed
    ├── UnknownNameError        a name that the configuration does not hold
    │   ├── UnknownServiceError
    │   ├── UnknownDatastoreError
    │   ├── UnknownEventError
    │   └── UnknownDriverError  a driver that a datastore's engine has no arguments for
    ├── DriverError             a driver cannot be told what the configuration asks for
    ├── NoCurrentServiceError   the question needs to know which service is running
    ├── NoEventLoopError        a client for asyncio is asked for outside of coroutines
    ├── PluginError             a plugin is broken
    │   └── NoPluginError       no installed plugin serves a protocol or engine
    ├── StubError               generated definitions are missing, stale or unusable
    ├── OriginError             a URL would leave the service it was asked of
    ├── PayloadError            an event's payload cannot be sent
    └── RunError                `architect run` or `architect install` cannot go on

Errors of the clients themselves stay what their libraries raise: a REST client raises `requests.ConnectionError`, a
gRPC stub raises `grpc.RpcError`. No message of an error below ever contains a configured value that may be secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core._base.names import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Iterable


class ArchitectError(Exception):
    """Root of every error that architect raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        # the text and the attributes: a subclass may make its text of other arguments
        return _restored, (type(self), self.args, vars(self))


def _restored(kind: type[ArchitectError], args: tuple[object, ...], attributes: dict[str, object]) -> ArchitectError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(attributes)
    return error


class ConfigError(ArchitectError, ValueError):
    """The configuration is malformed.

    Attributes:
        where: what was read, such as "the environment variable ARCHITECT".
        problems: one `(path, reason)` a problem; the path is dotted, and empty where the whole text is meant.
    """

    def __init__(self, where: str, problems: Iterable[tuple[str, str]]) -> None:
        self.where = where
        self.problems = tuple(problems)
        lines = [f"{path}: {reason}" if path else reason for path, reason in self.problems]
        super().__init__(f"{where}: {lines[0]}" if len(lines) == 1 else "\n  ".join([f"{where}:", *lines]))


class ManifestError(ConfigError):
    """An `architect.json` is malformed."""


class UnknownNameError(ArchitectError, LookupError):
    """A name that the configuration does not hold.

    Attributes:
        name: what was asked for.
        known: the names that exist, sorted.
    """

    kind = "name"
    remedy = ""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        message = f"no {self.kind} named {name!r}{did_you_mean(name, self.known)}; {listing(self.known)}"
        super().__init__(f"{message}. {self.remedy}" if self.remedy else message)


class UnknownServiceError(UnknownNameError):
    """`service(name)` was asked for a service that is not configured."""

    kind = "service"
    remedy = "List it under `dependencies` in architect.json, or add it to ARCHITECT."


class UnknownDatastoreError(UnknownNameError):
    """`datastore(name)` was asked for a datastore that the current service does not have."""

    kind = "datastore"
    remedy = "List it under `datastores` in architect.json; the name must match its key there."


class UnknownEventError(UnknownNameError):
    """`notification(event)` was asked for an event that the current service does not announce."""

    kind = "event"
    remedy = "List it under `notifications` in architect.json; an event without subscribers has the entry {}."


class UnknownDriverError(UnknownNameError):
    """`Credentials.for_driver(driver)` was asked for a driver that the datastore's engine has no arguments for."""

    kind = "driver"
    remedy = "For any other driver, take the fields: host, port, username, password, name, options."

    def __init__(self, name: object, known: Iterable[str], engine: str) -> None:
        self.kind = f"driver for the engine {engine}"
        super().__init__(name, known)


class DriverError(ArchitectError, ValueError):
    """A driver cannot be told something that the datastore's configuration asks for."""


class NoCurrentServiceError(ArchitectError):
    """The question is about the running service, and nothing says which one that is."""


class NoEventLoopError(ArchitectError, RuntimeError):
    """A client for asyncio is asked for where no event loop runs."""


class PluginError(ArchitectError):
    """A plugin could not be loaded, or broke the plugin contract.

    Attributes:
        may_hold_secrets: whether its cause is about what was configured, so that its text must not be shown.
    """

    may_hold_secrets = False


class NoPluginError(PluginError):
    """No installed plugin serves a protocol or engine.

    Attributes:
        protocol: what was looked for, such as "grpc".
        installed: the entry points that exist in the group, sorted.
    """

    def __init__(self, protocol: str, installed: Iterable[str], asked_by: str, remedy: str = "") -> None:
        self.protocol = protocol
        self.installed = tuple(sorted(installed))
        hint = did_you_mean(protocol, self.installed)
        super().__init__(
            f"{asked_by}: no installed plugin serves {protocol!r}{hint}; {listing(self.installed, 'installed')}. "
            f"{remedy}".rstrip()
        )


class StubError(ArchitectError):
    """Generated definitions are missing, stale or unusable; the message says what to run."""


class OriginError(ArchitectError):
    """A URL would have left the service that its client belongs to."""


class PayloadError(ArchitectError, ValueError):
    """An event's payload cannot be sent as JSON."""


class RunError(ArchitectError):
    """`architect run` or `architect install` cannot go on."""
