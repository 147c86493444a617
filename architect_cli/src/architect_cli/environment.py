"""The environment of each service of a run, which has the secrets of no other service."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architect_cli.datastores import Datastore
from architect_core.contract import CURRENT_SERVICE_VARIABLE, ROOT_VARIABLE, SERVICES_VARIABLE, parse_address
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_cli.overrides import Overrides
    from architect_cli.tree import Node
    from architect_core.schema.manifest import Parameter

LOCAL = "127.0.0.1"
_SCHEMES = {"rest": "http://"}  # the host of a REST service has a scheme, that of another has none


@dataclass
class Plan:
    """The services of a run.

    Attributes:
        nodes: all of them, dependencies first, the root last.
        overrides: what the user states.
        ports: the local port of each service that is started and listens.
        entries: service -> datastore -> entry; filled as the datastores become ready.
    """

    nodes: list[Node]
    overrides: Overrides
    ports: dict[str, int] = field(default_factory=dict)
    entries: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        """The service that the run is for."""
        return self.nodes[-1]

    @property
    def started(self) -> list[Node]:
        """The services that the run starts, because no other host is stated for them."""
        return [node for node in self.nodes if self.is_started(node)]

    def is_started(self, node: Node) -> bool:
        """Whether the run starts the service."""
        return self.overrides.of(node.name).host is None

    def datastores(self, node: Node) -> Iterator[Datastore]:
        """The datastores of a service."""
        override = self.overrides.of(node.name)
        for key, declared in node.manifest.datastores.items():
            yield Datastore(node.name, key, declared, override.of(key))

    def address(self, node: Node) -> dict[str, Any]:
        """The host, the port and the protocol of a service, as other services get them."""
        if not self.is_started(node):
            return self.stated_address(node.name, node.api, node.manifest.port)
        if node.api is None:
            return {"api": None}
        return {"host": _SCHEMES.get(node.api, "") + LOCAL, "port": self.ports[node.name], "api": node.api}

    def stated_address(self, name: str, api: str | None = "rest", port: int | None = None) -> dict[str, Any]:
        """The same for a service whose host the user states, as for every dependency by version."""
        override = self.overrides.of(name)
        port = override.port or _port_in(override.host or "") or port
        return {"host": override.host, **({} if port is None else {"port": port}), "api": override.api or api}

    def subscribers(self, node: Node) -> dict[str, dict[str, dict[str, Any]]]:
        """The subscribers of a service's events: event -> subscriber -> its path and headers.

        Raises RunError if a service subscribes to an event that is not announced.
        """
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
        services = {name: self.address(by_name[name]) for event in subscribers.values() for name in event}
        services |= {key: self.address(other) for key, other in node.dependencies.items()}
        services |= {name: self.stated_address(name) for name in node.versions}
        own = self.address(node) if self.is_started(node) else {"api": node.api}
        datastores = self.entries.get(node.name, {})
        return services | {node.name: {**own, "subscriptions": subscribers, "datastores": datastores}}

    def variables_for(self, node: Node) -> dict[str, str]:
        """The whole environment of a service's process."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("ARCHITECT")}
        # before those below, which a parameter cannot replace
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
    """The value of every parameter that has one: the stated one, else that in the environment, else the default."""
    values = {name: stated.get(name, os.environ.get(name, each.default)) for name, each in declared.items()}
    return {name: value for name, value in values.items() if value is not None}


def _port_in(host: str) -> int | None:
    """The port in a host such as `http://billing.test:9000`."""
    try:
        return parse_address(host).port
    except ValueError:  # an error for the service that makes a client of it
        return None


def _program_folders(folder: Path) -> list[str]:
    """The folders in which `python` and other programs are searched first: the service's own, then the runner's."""
    own = folder / ".venv" / "bin"
    return [*([str(own)] if own.is_dir() else []), str(Path(sys.executable).parent)]
