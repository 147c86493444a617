"""What a run does for events: the broker that it starts, and the processes beside services that carry and handle them.

Those are commands of a plugin: `architect events init`, `architect relay` and `architect consume`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from architect_cli.output.masking import passwords_in, secret_values
from architect_cli.planning.environment import programs_of
from architect_core.contract import PROTOCOL, Command, DatastoreProvisioner, EventChannel, read_json
from architect_core.exceptions import ConfigError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_cli.planning.plan import Plan
    from architect_cli.planning.tree import Node
    from architect_core.plugins import Plugins

_DEFAULT = "sqlite"  # for a system with handlers, if no broker is stated
_OPTION = "--events"


@dataclass(frozen=True, eq=False)
class BrokerServer:
    """A broker that the run starts, and the plugin that starts it."""

    name: str
    provisioner: DatastoreProvisioner = field(repr=False)

    @property
    def label(self) -> str:
        """What it is called in messages and in the output of a run."""
        return f"broker {self.name}"

    @property
    def plugin(self) -> str:
        """The entry point of the plugin."""
        return f"events.{self.name}"


@dataclass(frozen=True)
class Companion:
    """A process beside a service, in its folder and with its environment; `name` is what the output calls it."""

    name: str
    arguments: tuple[str, ...]

    @property
    def has_handlers(self) -> bool:
        """Whether it imports modules of the service."""
        return self.arguments[0] == "consume"


def choose_broker(stated: str | None, plan: Plan, plugins: Plugins) -> BrokerServer | None:
    """Returns the broker to start, or None if one runs already, which is then the plan's, or if none is needed.

    `stated` is the name of a broker that a plugin starts, or a value for `ARCHITECT_EVENTS`. Raises ArchitectError if
    it is malformed, or no installed plugin serves it.
    """
    if not stated and not any(node.handlers for node in plan.started):
        return None
    stated = stated or _DEFAULT
    if PROTOCOL.fullmatch(stated):
        name, asked_by = f"events.{stated}", f"{_OPTION} {stated}"
        provisioner = plugins.find(DatastoreProvisioner, name, asked_by)
        if provisioner is None:
            raise RunError(f"{asked_by}: {plugins.owner(name)} starts no broker. State the URL of one that runs")
        return BrokerServer(stated, provisioner)
    scheme, separator, _ = stated.partition("://")
    if separator and PROTOCOL.fullmatch(scheme):
        plugins.get(EventChannel, f"events.{scheme}", _OPTION)
    elif not isinstance(read_json(stated, _OPTION), dict):
        raise ConfigError(
            _OPTION, [("", "must be the name of a broker, a URL such as amqp://broker, or a JSON object")]
        )
    plan.events = stated
    return None


def secrets_in(events: str) -> Iterator[str]:
    """The passwords in the value of `ARCHITECT_EVENTS`."""
    yield from passwords_in(events)
    if events.startswith("{"):
        yield from secret_values(json.loads(events))


def as_variable(entry: Mapping[str, Any]) -> str:
    """Returns the value of `ARCHITECT_EVENTS` for a broker with this entry: a URL if that is all, else JSON."""
    return str(entry["url"]) if set(entry) == {"url"} else json.dumps(dict(entry))


def migrations(node: Node) -> list[Companion]:
    """What creates the tables of events, before the service starts."""
    return [
        Companion(f"{node.name}/{key} events init", ("events", "init", "--datastore", key)) for key in _outboxes(node)
    ]


def companions(node: Node, plan: Plan, *, with_broker: bool) -> list[Companion]:
    """What runs beside a service: relays, if its events have subscribers, and the handlers of its own subscriptions.

    There is a relay for each datastore with an outbox; without any, one that posts what arrives from a broker. All
    handlers of a service are in one process, because they share what the broker keeps for it.
    """
    subscribers = [each for event in plan.subscribers(node).values() for each in event.values()]
    found = []
    if subscribers:
        found = [Companion(f"{node.name}/{key} relay", ("relay", "--datastore", key)) for key in _outboxes(node)]
    if not found and with_broker and any("uri" in each for each in subscribers):
        found = [Companion(f"{node.name} relay", ("relay", "--no-outbox"))]
    if node.handlers:
        found.append(Companion(f"{node.name} consume", ("consume", *node.handlers)))
    return found


def _outboxes(node: Node) -> list[str]:
    return [key for key, declared in node.manifest.datastores.items() if declared.events]


def check_commands(node: Node, needed: list[Companion], plugins: Plugins) -> None:
    """Raises RunError or NoPluginError if the commands that a service's companions are cannot be run."""
    if not needed:
        return
    programs = programs_of(node).own
    if programs is None:
        for each in needed:
            plugins.get(Command, each.arguments[0], each.name)
    elif not os.access(programs / "architect", os.X_OK):
        raise RunError(
            f"{needed[0].name} runs in the environment of its service, {programs.parent}, which has no `architect` "
            "command. pip install architect-command architect-events there"
        )


def command_of_companion(companion: Companion) -> list[str]:
    """Returns the command, whose `python` is the one of the service's `.venv`, else the one of this process."""
    return ["python", "-m", "architect_cli", *companion.arguments]
