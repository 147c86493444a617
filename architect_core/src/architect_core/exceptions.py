"""Every error of architect, in one tree.

    ArchitectError
    ├── ConfigError             what the environment or `configure()` holds is malformed
    │   └── ManifestError       an `architect.json` is malformed
    ├── UnknownNameError        a name is not configured
    │   ├── UnknownServiceError
    │   ├── UnknownDatastoreError
    │   ├── UnknownEventError
    │   └── UnknownDriverError  a datastore's engine has no arguments for a driver
    ├── DriverError             a driver does not support a configured option
    ├── NoCurrentServiceError   the running service's name is needed but not configured
    ├── NoEventLoopError        a client for asyncio is used without a running event loop
    ├── PluginError             a plugin is broken
    │   └── NoPluginError       no installed plugin serves a protocol or engine
    ├── StubError               generated definitions are missing, stale or unusable
    ├── OriginError             a URL does not belong to the client's service
    ├── PayloadError            an event's payload cannot be sent
    ├── PublishError            an event was not kept by the broker or the outbox
    ├── InboxError              an event cannot be recorded in an inbox
    └── RunError                `architect run` or `architect install` failed

Clients raise their libraries' own errors: a REST client raises `requests.ConnectionError`, a gRPC stub
`grpc.RpcError`. No message below contains a configured value that may be secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from architect_core._base.names import did_you_mean, listing


class ArchitectError(Exception):
    """Root of every error that architect raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        # without the constructor, because a subclass may build its text from other arguments
        return type(self).__new__, (type(self),), {**vars(self), "args": self.args}


class ConfigError(ArchitectError, ValueError):
    """The configuration is malformed: what was read, `where`, has `problems`, each a path and a reason.

    A path is dotted, and empty for a problem of the whole text.
    """

    def __init__(self, where: str, problems: Iterable[tuple[str, str]]) -> None:
        self.where = where
        self.problems = tuple(problems)
        lines = [f"{path}: {reason}" if path else reason for path, reason in self.problems]
        super().__init__(f"{where}: {lines[0]}" if len(lines) == 1 else "\n  ".join([f"{where}:", *lines]))


class ManifestError(ConfigError):
    """An `architect.json` is malformed."""


class UnknownNameError(ArchitectError, LookupError):
    """`name` is not configured; `known` lists the names that are, sorted."""

    kind = "name"
    remedy = ""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        message = f"no {self.kind} named {name!r}{did_you_mean(name, self.known)}; {listing(self.known)}"
        super().__init__(f"{message}. {self.remedy}" if self.remedy else message)


class UnknownServiceError(UnknownNameError):
    """No service of this name is configured."""

    kind = "service"
    remedy = "List it under `dependencies` in architect.json, or add it to ARCHITECT."


class UnknownDatastoreError(UnknownNameError):
    """The running service has no datastore of this name."""

    kind = "datastore"
    remedy = "List it under `datastores` in architect.json; the name must match its key there."


class UnknownEventError(UnknownNameError):
    """The running service does not publish an event of this name."""

    kind = "event"
    remedy = "List it under `notifications` in architect.json; an event without subscribers has the entry {}."


class UnknownDriverError(UnknownNameError):
    """The datastore's engine has no arguments for this driver."""

    kind = "driver"
    remedy = "For any other driver, use the fields: host, port, username, password, name, options."

    def __init__(self, name: object, known: Iterable[str], engine: str) -> None:
        self.kind = f"driver for the engine {engine}"
        if engine == "generic":
            self.remedy = (
                'State the engine as `type`, such as "postgres", in the entry or in the datastores of architect.json; '
                f"{self.remedy[0].lower()}{self.remedy[1:]}"
            )
        super().__init__(name, known)


class DriverError(ArchitectError, ValueError):
    """A driver does not support an option of the datastore's configuration."""


class NoCurrentServiceError(ArchitectError):
    """The name of the running service is needed but not configured."""


class NoEventLoopError(ArchitectError, RuntimeError):
    """A client for asyncio is used without a running event loop."""


class PluginError(ArchitectError):
    """A plugin could not be loaded, or broke the plugin contract."""

    may_hold_secrets = False  # whether the cause's text may contain configured values, and must not be shown


class NoPluginError(PluginError):
    """No installed plugin serves `protocol`, a protocol or engine; `installed` lists the entry points, sorted."""

    def __init__(self, protocol: str, installed: Iterable[str], asked_by: str, remedy: str = "") -> None:
        self.protocol = protocol
        self.installed = tuple(sorted(installed))
        hint = did_you_mean(protocol, self.installed)
        found = listing(self.installed, "installed")
        super().__init__(f"{asked_by}: no installed plugin serves {protocol!r}{hint}; {found}. {remedy}".rstrip())


class StubError(ArchitectError):
    """Generated definitions are missing, stale or unusable; the message says what to run."""


class OriginError(ArchitectError):
    """A URL does not belong to the service that the client is for."""


class PayloadError(ArchitectError, ValueError):
    """An event's payload cannot be sent as JSON."""


class PublishError(ArchitectError):
    """An event is not kept: the broker did not confirm it, or the outbox's transaction cannot hold it."""


class InboxError(ArchitectError):
    """An event cannot be recorded in an inbox: the connection is unsuitable, or the table is missing."""


class RunError(ArchitectError):
    """`architect run` or `architect install` failed."""
