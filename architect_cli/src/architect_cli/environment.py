"""What each service of a run is told: the variables of the contract, and nobody else's secrets."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architect_core.contract import CURRENT_SERVICE_VARIABLE, ROOT_VARIABLE, SERVICES_VARIABLE, parse_address
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_cli.overrides import Overrides
    from architect_cli.tree import Node
    from architect_core.schema import Parameter

LOCAL = "127.0.0.1"
_SCHEMES = {"rest": "http://"}  # a REST service's host carries its scheme, others' none


@dataclass
class Plan:
    """Where the services of a run are.

    Attributes:
        nodes: all of them, dependencies first, the root last.
        overrides: what the user stated otherwise.
        ports: the local port of each service that is started and listens.
        datastores: service -> datastore -> its entry; filled as they come up.
    """

    nodes: list[Node]
    overrides: Overrides
    ports: dict[str, int] = field(default_factory=dict)
    datastores: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        """The service that the run is for."""
        return self.nodes[-1]

    def is_started(self, node: Node) -> bool:
        """Whether the run starts it: it is not said to be elsewhere."""
        return self.overrides.of(node.name).host is None

    def place(self, node: Node) -> dict[str, Any]:
        """Where a service is, as others see it."""
        override = self.overrides.of(node.name)
        if override.host is not None:
            port = override.port or _port_in(override.host) or node.manifest.port
            return {"host": override.host, "port": port, "api": override.api or node.api}
        if node.api is None:
            return {"api": None}
        return {"host": _SCHEMES.get(node.api, "") + LOCAL, "port": self.ports[node.name], "api": node.api}

    def place_by_version(self, name: str) -> dict[str, Any]:
        """Where a dependency by version is, which only the user can say."""
        override = self.overrides.of(name)
        port = {} if override.port is None else {"port": override.port}
        return {"host": override.host, **port, "api": override.api or "rest"}

    def subscribers(self, node: Node) -> dict[str, dict[str, dict[str, Any]]]:
        """Who wants to hear of a service's events: event -> subscriber -> where and how."""
        found: dict[str, dict[str, dict[str, Any]]] = {event: {} for event in node.manifest.notifications}
        for other in self.nodes:
            for name, wanted in other.manifest.subscriptions.items():
                if other.dependencies.get(name) is not node and name != node.name:
                    continue
                for event, subscription in wanted.items():
                    if event not in found:
                        raise RunError(
                            f"{other.name} subscribes to {event!r} of {node.name}, which announces "
                            f"{', '.join(found) or 'nothing'} (`notifications` in its architect.json)"
                        )
                    found[event][other.name] = {"uri": subscription.uri, "headers": dict(subscription.headers)}
        return found

    def services_for(self, node: Node) -> dict[str, Any]:
        """The content of `ARCHITECT` for a service: itself, its dependencies, and the subscribers of its events."""
        subscribers = self.subscribers(node)
        by_name = {other.name: other for other in self.nodes}
        services = {name: self.place(by_name[name]) for event in subscribers.values() for name in event}
        services |= {key: self.place(other) for key, other in node.dependencies.items()}
        services |= {name: self.place_by_version(name) for name in node.versions}
        own = self.place(node) if self.is_started(node) else {"api": node.api}
        return services | {
            node.name: {**own, "subscriptions": subscribers, "datastores": self.datastores.get(node.name, {})}
        }

    def variables_for(self, node: Node) -> dict[str, str]:
        """The whole environment of a service's process."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("ARCHITECT")}
        # a parameter cannot change where the service is told to listen, or what it is told of the others
        variables |= parameters(node.manifest.parameters, self.overrides.of(node.name).parameters)
        variables |= {
            SERVICES_VARIABLE: json.dumps(self.services_for(node)),
            CURRENT_SERVICE_VARIABLE: node.name,
            ROOT_VARIABLE: str(node.folder),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([*_program_folders(node.folder), variables.get("PATH", os.defpath)]),
        }
        if node.name in self.ports:
            variables |= {"HOST": LOCAL, "PORT": str(self.ports[node.name])}
        return variables


def parameters(declared: Mapping[str, Parameter], stated: Mapping[str, str]) -> dict[str, str]:
    """The value of every parameter that has one: stated by the user, in the runner's environment, or the default."""
    values: dict[str, str] = {}
    for name, parameter in declared.items():
        value = stated.get(name, os.environ.get(name, parameter.default))
        if value is not None:
            values[name] = value
    return values


def missing_parameters(plan: Plan) -> list[str]:
    """The required parameters of started services that have no value: `service: PARAMETER`."""
    missing = []
    for node in plan.nodes:
        if plan.is_started(node):
            declared = node.manifest.parameters
            values = parameters(declared, plan.overrides.of(node.name).parameters)
            missing += [f"{node.name}: {name}" for name in declared if declared[name].required and name not in values]
    return missing


def _port_in(host: str) -> int | None:
    """The port that a host itself names: `http://billing.test:9000`."""
    try:
        return parse_address(host).port
    except ValueError:  # told to whoever wants a client for it
        return None


def _program_folders(folder: Path) -> list[str]:
    """Where a service's `python` and other programs are looked for first: its own environment, then the runner's."""
    own = folder / ".venv" / "bin"
    return [*([str(own)] if own.is_dir() else []), str(Path(sys.executable).parent)]
