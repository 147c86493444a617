"""`architect run --config FILE`: what is where other than the manifests say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from architect_core.contract import did_you_mean, listing, read_json, require_object
from architect_core.exceptions import ConfigError
from architect_core.schema import validate
from architect_core.schema.fields import Host, ParameterName, Port, Protocol, ServiceName, Text  # noqa: TC001 - pydantic reads them

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from architect_cli.tree import Node


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DatastoreOverride(_Strict):
    """A datastore; with a host it is used where it is, otherwise these are what its own server is made with."""

    host: Host | None = None
    port: Port | None = None
    username: Text | None = None
    password: Annotated[Text | None, Field(repr=False)] = None
    name: Text | None = None
    parameters: dict[ParameterName, Text] = Field(default_factory=dict, repr=False)


class ServiceOverride(_Strict):
    """A service; with a host it is used where it is and not started, otherwise `port` is where it is to listen."""

    host: Host | None = None
    port: Port | None = None
    api: Protocol | None = None
    parameters: dict[ParameterName, Text] = Field(default_factory=dict, repr=False)
    datastores: dict[ServiceName, DatastoreOverride] = Field(default_factory=dict)

    def of(self, datastore: str) -> DatastoreOverride:
        """What is different about one of its datastores."""
        return self.datastores.get(datastore) or DatastoreOverride()


class Overrides(_Strict):
    """The whole file: service name -> what is different."""

    services: dict[ServiceName, ServiceOverride] = Field(default_factory=dict)

    def of(self, name: str) -> ServiceOverride:
        """What is different about the service `name`."""
        return self.services.get(name) or ServiceOverride()


def load_overrides(path: Path, nodes: list[Node]) -> Overrides:
    """Read and check the file; every name in it must exist.

    Raises:
        ConfigError: with the path of what is wrong.
    """
    where = str(path)
    reason = ""
    data: object = {}
    try:
        data = read_json(path.read_bytes(), where)
    except OSError as problem:
        reason = f"cannot be read ({problem.strerror})"
    if reason:
        raise ConfigError(where, [("", reason)])
    overrides = validate(Overrides, require_object(data, where), where)
    problems = _unknown(overrides, nodes)
    if problems:
        raise ConfigError(where, problems)
    return overrides


def _unknown(overrides: Overrides, nodes: list[Node]) -> list[tuple[str, str]]:
    by_name = {node.name: node for node in nodes}
    by_version = {name for node in nodes for name in node.versions}
    problems = []
    for name, service in overrides.services.items():
        path = f"services.{name}"
        node = by_name.get(name)
        if node is None:
            if name not in by_version:
                problems.append((path, _no("service", name, [*by_name, *by_version])))
            elif service.host is None:
                problems.append((f"{path}.host", "is missing: a dependency by version cannot be started here"))
            continue
        if service.api is not None and service.host is None:
            problems.append((f"{path}.api", "needs a `host`: what a started service serves, its manifest says"))
        if service.port is not None and service.host is None and node.api is None:
            problems.append((f"{path}.port", "this service has no api, and listens nowhere"))
        problems += [
            (f"{path}.parameters.{each}", _no("parameter", each, node.manifest.parameters))
            for each in service.parameters
            if each not in node.manifest.parameters
        ]
        for key, datastore in service.datastores.items():
            declared = node.manifest.datastores.get(key)
            if declared is None:
                problems.append((f"{path}.datastores.{key}", _no("datastore", key, node.manifest.datastores)))
                continue
            problems += [
                (f"{path}.datastores.{key}.parameters.{each}", _no("parameter", each, declared.parameters))
                for each in datastore.parameters
                if each not in declared.parameters
            ]
    return problems


def _no(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return f"there is no such {what}{did_you_mean(name, names)}; {listing(names)}"
