"""What a run starts: its services and datastores, and the environment of each service, without others' secrets."""

from __future__ import annotations

import json
import os
import secrets
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architect_cli.image_parameters import FIELDS
from architect_core.contract import CURRENT_SERVICE_VARIABLE, ROOT_VARIABLE, SERVICES_VARIABLE, parse_address
from architect_core.exceptions import RunError
from architect_core.plugins.loading import DISABLED_VARIABLE
from architect_core.resolver.engine import GENERIC, engine_of_image
from architect_core.resolver.events import EVENTS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_cli.overrides import DatastoreOverride, Overrides
    from architect_cli.tree import Node
    from architect_core.schema.manifest import ManifestDatastore

LOCAL = "127.0.0.1"
_SCHEMES = {"rest": "http://"}  # the host of a REST service has a scheme, that of another has none
_LOGIN = ("username", "password", "name")
_OF_SERVER = {*_LOGIN, "host", "port", "url"}


@dataclass(frozen=True, eq=False)
class Datastore:
    """A datastore under its key in a service's manifest: what that declares, and what the user states instead."""

    service: str
    key: str
    declared: ManifestDatastore
    override: DatastoreOverride

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"datastore {self.service}.{self.key}"

    @property
    def path(self) -> str:
        """What the output of a run calls it."""
        return f"{self.service}/{self.key}"

    @property
    def engine(self) -> str:
        """The engine that the manifest names."""
        return self.declared.type or engine_of_image(self.declared.image or "") or GENERIC

    @property
    def aliases(self) -> dict[str, str]:
        """The parameters that are fields -> the field; a parameter of the image is one without an `alias`, too.

        If another parameter has the field as its `alias`, that is the field's value.
        """
        stated = {name: each.alias for name, each in self.declared.parameters.items() if each.alias}
        taken = set(stated.values())
        found = {name: FIELDS[name] for name in self.declared.parameters if name in FIELDS and name not in stated}
        return {**{name: field for name, field in found.items() if field not in taken}, **stated}

    def wanted(self) -> dict[str, str]:
        """The requested values by alias: username, password, name, and whatever else parameters are aliases of."""
        values = {
            alias: value
            for name, alias in self.aliases.items()
            if (value := self.override.parameters.get(name, self.declared.parameters[name].default)) is not None
        }
        stated = {key: getattr(self.override, key) for key in _LOGIN}
        return values | {key: value for key, value in stated.items() if value is not None}

    def remote_entry(self) -> dict[str, Any] | None:
        """The entry of a datastore whose host is stated, or None if the run has to start it."""
        host = self.override.host or self.declared.host
        if host is None:
            return None
        port = self.override.port or self.declared.port
        return self.entry({"host": host, **({} if port is None else {"port": port}), **self.wanted()})

    def entry(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` with the raw parameters beside their aliases, and with the engine."""
        raw = {}
        for name, parameter in self.declared.parameters.items():
            value = values.get(self.aliases.get(name, ""))
            value = value if value is not None else self.override.parameters.get(name, parameter.default)
            if value is not None:
                raw[name] = value
        engine = {"image": self.declared.image} if self.declared.image else {"type": self.declared.type}
        return {**raw, **engine, **values}

    def missing(self, entry: Mapping[str, Any] | None) -> list[str]:
        """The required parameters that have no value: `service.datastore: PARAMETER`.

        Without an entry, a server will be started, which provides the login, the host and the port.
        """
        declared = self.declared.parameters
        if entry is None:
            provided = _OF_SERVER.union(self.wanted())
            entry = self.entry({alias: "" for alias in self.aliases.values() if alias in provided})
        return [
            f"{self.service}.{self.key}: {name}"
            for name, each in declared.items()
            if each.required and name not in entry
        ]


@dataclass
class Plan:
    """The services of a run, dependencies first, what the user states about them, and those that the run is for.

    The run fills in the local port of each service that listens, `entries`: service -> datastore -> entry, and
    `events`: the value of `ARCHITECT_EVENTS`, if there is a broker.
    """

    nodes: list[Node]
    overrides: Overrides
    roots: list[Node]
    ports: dict[str, int] = field(default_factory=dict)
    entries: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    events: str | None = field(default=None, repr=False)
    _made_up: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

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

    def parameters(self, node: Node) -> dict[str, str]:
        """The value of every parameter that has one: the stated one, else that in the environment, else the default.

        A secret that events are signed with has always one.
        """
        stated, declared = self.overrides.of(node.name).parameters, node.manifest.parameters
        values = {name: stated.get(name, os.environ.get(name, each.default)) for name, each in declared.items()}
        if self.is_started(node):
            for name in node.signing_secrets:
                values[name] = values[name] or self._made_up.setdefault((node.name, name), _signing_secret())
        return {name: value for name, value in values.items() if value is not None}

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
        """The subscribers of a service's events: event -> subscriber -> its path, headers and secret, or its handler.

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
                    given = subscription.model_dump(exclude_defaults=True, exclude={"secret"})
                    secret = self.parameters(other).get(subscription.secret or "")
                    found[event][other.name] = given if secret is None else {**given, "secret": secret}
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
        variables = own_variables()
        # before those below, which a parameter cannot replace
        variables |= self.parameters(node)
        variables |= {
            SERVICES_VARIABLE: json.dumps(self.services_for(node)),
            CURRENT_SERVICE_VARIABLE: node.name,
            ROOT_VARIABLE: str(node.folder),
            **({} if self.events is None else {EVENTS_VARIABLE: self.events}),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([*_program_folders(node.folder), variables.get("PATH", os.defpath)]),
        }
        if node.name in self.ports:
            variables |= {"HOST": LOCAL, "PORT": str(self.ports[node.name])}
        return variables


def own_variables() -> dict[str, str]:
    """The environment of this process without the configuration of architect; a disabled plugin remains so."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ARCHITECT") or name == DISABLED_VARIABLE
    }


def _signing_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


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
