"""The file of `architect run --config`: what differs from the manifests on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from architect_core.contract import did_you_mean, listing, read_json, require_object
from architect_core.exceptions import ConfigError
from architect_core.schema import validate
from architect_core.schema.base import Strict
from architect_core.schema.fields import Host, ParameterName, Port, Protocol, ServiceName, Text  # noqa: TC001 - pydantic reads them

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from architect_cli.tree import Node

Problem = tuple[str, str]


class DatastoreOverride(Strict):
    """A datastore: with a host it runs elsewhere; otherwise the values that its server is made with."""

    host: Host | None = None
    port: Port | None = None
    username: Text | None = None
    password: Annotated[Text | None, Field(repr=False)] = None
    name: Text | None = None
    parameters: dict[ParameterName, Text] = Field(default_factory=dict, repr=False)


class ServiceOverride(Strict):
    """A service: with a host it runs elsewhere and is not started; otherwise `port` is the port to listen on."""

    host: Host | None = None
    port: Port | None = None
    api: Protocol | None = None
    parameters: dict[ParameterName, Text] = Field(default_factory=dict, repr=False)
    datastores: dict[ServiceName, DatastoreOverride] = Field(default_factory=dict)

    def of(self, datastore: str) -> DatastoreOverride:
        """The override of one of its datastores, empty if there is none."""
        return self.datastores.get(datastore) or DatastoreOverride()


class Overrides(Strict):
    """The whole file: service name -> override."""

    services: dict[ServiceName, ServiceOverride] = Field(default_factory=dict)

    def of(self, name: str) -> ServiceOverride:
        """The override of the service `name`, empty if there is none."""
        return self.services.get(name) or ServiceOverride()


def load_overrides(path: Path, nodes: list[Node]) -> Overrides:
    """Read the file; raises ConfigError, with the path of each problem, if it is malformed or has unknown names."""
    where = str(path)
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ConfigError(where, [("", f"cannot be read ({problem.strerror})")]) from problem
    overrides = validate(Overrides, require_object(read_json(text, where), where), where)
    problems = list(_problems(overrides, nodes))
    if problems:
        raise ConfigError(where, problems)
    return overrides


def _problems(overrides: Overrides, nodes: list[Node]) -> Iterator[Problem]:
    by_name = {node.name: node for node in nodes}
    by_version = {name for node in nodes for name in node.versions}
    yield from _unknown("services", "service", overrides.services, [*by_name, *by_version])
    for name, service in overrides.services.items():
        if name in by_name:
            yield from _problems_of(f"services.{name}", service, by_name[name])
        elif name in by_version and service.host is None:
            yield f"services.{name}.host", "is missing: a dependency by version cannot be started here"


def _problems_of(path: str, service: ServiceOverride, node: Node) -> Iterator[Problem]:
    if service.api is not None and service.host is None:
        yield f"{path}.api", "needs a `host`: the protocol of a service that is started is in its manifest"
    if service.port is not None and service.host is None and node.api is None:
        yield f"{path}.port", "this service has no api, and listens nowhere"
    datastores = node.manifest.datastores
    yield from _unknown(f"{path}.parameters", "parameter", service.parameters, node.manifest.parameters)
    yield from _unknown(f"{path}.datastores", "datastore", service.datastores, datastores)
    for key, stated in service.datastores.items():
        if key in datastores:
            declared = datastores[key].parameters
            yield from _unknown(f"{path}.datastores.{key}.parameters", "parameter", stated.parameters, declared)


def _unknown(path: str, what: str, stated: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    names = sorted(known)
    for name in stated:
        if name not in names:
            yield f"{path}.{name}", f"there is no such {what}{did_you_mean(name, names)}; {listing(names)}"
