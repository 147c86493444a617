"""What a run starts: its services and datastores, and the environment of each service, without others' secrets."""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architect_cli.planning.environment import own_variables, programs_of
from architect_cli.planning.image_parameters import FIELDS
from architect_cli.planning.values import default_of, expanded
from architect_core.contract import (
    CURRENT_SERVICE_VARIABLE,
    MANIFEST_FILE,
    ROOT_VARIABLE,
    SERVICES_VARIABLE,
    SOURCE_VARIABLE,
    did_you_mean,
    listing,
    parse_address,
)
from architect_core.exceptions import ManifestError, RunError
from architect_core.resolver.engine import GENERIC, engine_of_image
from architect_core.resolver.events import EVENTS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from architect_cli.planning.overrides import DatastoreOverride, Overrides
    from architect_cli.planning.tree import Node
    from architect_core.schema.manifest import ManifestDatastore, Reference, ValueFrom

LOCAL = "127.0.0.1"
_SCHEMES = {"rest": "http://"}  # the host of a REST service has a scheme, that of another has none
_ONLY_THE_RUN = "environment"  # the source that a service reads: a dependency that it does not declare is not found
_LOGIN = ("username", "password", "name")
_OF_SERVER = {*_LOGIN, "host", "port", "url"}


@dataclass(frozen=True, eq=False)
class Datastore:
    """A datastore under its key in a service's manifest: what that declares, and what the user states instead."""

    service: str
    key: str
    declared: ManifestDatastore
    override: DatastoreOverride
    folder: Path = Path()

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
        found = {name: FIELDS[name] for name in self.parameters if name in FIELDS and name not in stated}
        return {**{name: field for name, field in found.items() if field not in taken}, **stated}

    @property
    def parameters(self) -> dict[str, str | None]:
        """The raw parameters, declared or only stated, and the value of each that has one."""
        found: dict[str, str | None] = {**self.override.parameters}
        where = str(self.folder / MANIFEST_FILE)
        for name, each in self.declared.parameters.items():
            if name not in found:
                default = default_of(each, self.folder, where, f"datastores.{self.key}.parameters.{name}.default")
                found[name] = None if each.default is None else str(default)
        return found

    def wanted(self) -> dict[str, str]:
        """The requested values by alias: username, password, name, and whatever else parameters are aliases of."""
        parameters = self.parameters
        values = {alias: value for name, alias in self.aliases.items() if (value := parameters[name]) is not None}
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
        raw, aliases = {}, self.aliases
        for name, stated in self.parameters.items():
            value = values.get(aliases.get(name, ""))
            value = value if value is not None else stated
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
            if each.is_required and name not in entry
        ]


@dataclass
class Plan:
    """The services of a run, dependencies first, what the user states about them, and those that the run is for.

    `environ` has the values of parameters that are not stated otherwise, and `made_up` the secrets that nobody has
    stated: "service parameter" -> value.

    The run fills in the local port of each service that listens, `entries`: service -> datastore -> entry, and
    `events`: the value of `ARCHITECT_EVENTS`, if there is a broker.
    """

    nodes: list[Node]
    overrides: Overrides
    roots: list[Node]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    entries: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    events: str | None = field(default=None, repr=False)
    made_up: dict[str, str] = field(default_factory=dict, repr=False)

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
            yield Datastore(node.name, key, declared, override.of(key), node.folder)

    def parameters(self, node: Node) -> dict[str, str]:
        """The value of every parameter that has one: the stated one, else that in the environment, else the default.

        Those that are stated are among them even if they are not declared. A secret that events are signed with has
        always one. Until the server of a datastore is ready, a value that is made of its login is the text that it is
        made of. Raises ManifestError if a default cannot be read or refers to something that does not exist.
        """
        values = dict(self._own_values(node))
        for name, value in self._values(node).items():
            if not isinstance(value, str):
                values[name] = self._expanded(value.reference, node, f"parameters.{name}.default")
        if self.is_started(node):
            for name in node.signing_secrets:
                values[name] = values.get(name) or self.made_up.setdefault(f"{node.name} {name}", _signing_secret())
        return values

    def _values(self, node: Node) -> dict[str, str | ValueFrom]:
        """Texts, of which some are the names of files, and references; a default that is null is an empty text."""
        stated = self.overrides.of(node.name).parameters
        found: dict[str, str | ValueFrom] = {}
        for name, declared in node.manifest.parameters.items():
            if name in stated:
                continue
            given = self.environ.get(name)
            value = (
                default_of(declared, node.folder, node.where, f"parameters.{name}.default") if given is None else given
            )
            if value is not None:
                found[name] = value
        return found | stated

    def _own_values(self, node: Node) -> dict[str, str]:
        """The values that are made of no other's."""
        return {name: value for name, value in self._values(node).items() if isinstance(value, str)}

    def _expanded(self, reference: Reference, node: Node, path: str) -> str:
        """The value of a reference, or its text if what it refers to has no address yet."""
        known: Iterable[str] = ()
        values: Mapping[str, Any] = {}
        name = str(reference.datastore or reference.dependency)
        if reference.datastore is not None:
            datastores = {each.key: each for each in self.datastores(node)}
            _require(name, datastores, "datastore", node, path)
            known = [*_LOGIN, *datastores[name].parameters, *datastores[name].aliases.values()]
            values = self.entries.get(node.name, {}).get(name, {})
        elif (name := name.partition(":")[0]) in node.versions:
            values = self.stated_address(name)
        else:
            services = {node.name: node, **node.known_as}
            _require(name, services, "dependency", node, path)
            known = own = self._own_values(services[name])
            if not self.is_started(services[name]) or services[name].name in self.ports:
                values = own | self.address(services[name])
        return expanded(reference.value, known, values, node.where, f"{path}.valueFrom.value")

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
                if other.known_as.get(name) is not node and name != node.name:
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
        services |= {name: self.address(other) for name, other in node.known_as.items()}
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
            SOURCE_VARIABLE: _ONLY_THE_RUN,
            **programs_of(node).variables(variables.get("PATH", os.defpath)),
        }
        if node.name in self.ports:
            variables |= {"HOST": LOCAL, "PORT": str(self.ports[node.name])}
        return variables


def _require(name: str, known: Iterable[str], what: str, node: Node, path: str) -> None:
    if name not in known:
        reason = f"there is no such {what}{did_you_mean(name, known)}; {listing(sorted(known))}"
        raise ManifestError(node.where, [(f"{path}.valueFrom.{what}", reason)])


def _signing_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def _port_in(host: str) -> int | None:
    """The port in a host such as `http://billing.test:9000`."""
    try:
        return parse_address(host).port
    except ValueError:  # an error for the service that makes a client of it
        return None
