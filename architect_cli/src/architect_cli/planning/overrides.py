"""The file of `architect run --config`: what differs from the manifests on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from architect_core.contract import SERVICE_NAME, did_you_mean, listing, read_json, require_object
from architect_core.exceptions import ConfigError
from architect_core.schema import validate
from architect_core.schema.base import Section, empty_if_null
from architect_core.schema.fields import Host, ParameterName, Port, Protocol, ServiceName, Text  # noqa: TC001 - pydantic reads them
from architect_core.schema.manifest import Value  # noqa: TC001 - likewise
from architect_core.sources.pointers import followed, is_pointer, replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from architect_cli.planning.tree import Node
    from architect_core.schema.base import Problem

_FILE = "file:"
_POINTER = "$file"
_NO_VAULT = "secrets of a vault are not fetched: use $file or $env"


def _service_key(key: str) -> str:
    name, _, version = key.partition(":")
    if not SERVICE_NAME.fullmatch(name) or not (version or ":" not in key):
        raise ValueError(
            "a name has letters, digits, '-' and '_', with at most one '/', and perhaps a version (acme/checkout:0.1.0)"
        )
    return key


def _stated(parameters: object) -> object:
    """Parameters without those that are null."""
    return (
        {name: each for name, each in parameters.items() if each is not None}
        if isinstance(parameters, dict)
        else parameters
    )


class DatastoreOverride(Section):
    """A datastore: with a host it runs elsewhere; otherwise the values that its server is made with."""

    host: Host | None = None
    port: Port | None = None
    username: Text | None = None
    password: Annotated[Text | None, Field(repr=False)] = None
    name: Text | None = None
    parameters: Annotated[dict[ParameterName, Text], BeforeValidator(_stated)] = Field(default_factory=dict, repr=False)


class Debug(Section):
    """Where a service is developed; `path` is relative to the file."""

    path: Annotated[str, Field(min_length=1)]


class ServiceOverride(Section):
    """A service: with a host it runs elsewhere and is not started; otherwise `port` is the port to listen on.

    The folder of `debug` replaces the one in the manifests of those that depend on it, or the version there.
    """

    host: Host | None = None
    port: Port | None = None
    api: Protocol | None = None
    debug: Debug | None = None
    parameters: Annotated[dict[ParameterName, Value], BeforeValidator(_stated)] = Field(
        default_factory=dict, repr=False
    )
    datastores: Annotated[dict[ServiceName, DatastoreOverride], BeforeValidator(empty_if_null)] = Field(
        default_factory=dict
    )

    def of(self, datastore: str) -> DatastoreOverride:
        """The override of one of its datastores, empty if there is none."""
        return self.datastores.get(datastore) or DatastoreOverride()


class _File(Section):
    MEANT: ClassVar = {"vaults": _NO_VAULT, "__version": "the file has one format only"}

    services: Annotated[
        dict[Annotated[str, AfterValidator(_service_key)], ServiceOverride], BeforeValidator(empty_if_null)
    ] = Field(default_factory=dict)


@dataclass(frozen=True)
class Overrides:
    """What the file states about the services of a run.

    Attributes:
        services: a service's own name -> what is stated about it.
        where: the file, for messages.
        secrets: the values that came from other files.
        unknown: what is ignored, or may be spelt wrong.
    """

    services: dict[str, ServiceOverride] = field(default_factory=dict)
    where: str = ""
    secrets: Sequence[str] = field(default=(), repr=False)
    unknown: Sequence[Problem] = ()

    def of(self, name: str) -> ServiceOverride:
        """The override of the service `name`, empty if there is none."""
        return self.services.get(name) or ServiceOverride()


@dataclass(frozen=True)
class ConfigFile:
    """The file as it was read, whose services are named as people name them: with or without a version.

    Attributes:
        where: the file, for messages.
        services: `name` or `name:version` -> what is stated about the service.
        secrets: the values that came from other files.
        unknown: the keys that no field has.
    """

    where: str = ""
    services: dict[str, ServiceOverride] = field(default_factory=dict)
    secrets: Sequence[str] = field(default=(), repr=False)
    unknown: Sequence[Problem] = ()

    def folder_of(self, name: str, version: str) -> Path | None:
        """The folder in `debug` of a service, or None if there is none."""
        key = self._key([name], {version})
        debug = None if key is None else self.services[key].debug
        return None if debug is None else _path(debug.path, Path(self.where).parent)

    def overrides(self, nodes: list[Node]) -> Overrides:
        """What it states about these services; raises ConfigError, with the path of each problem, if that is wrong."""
        found: dict[str, ServiceOverride] = {}
        used: list[str] = []
        problems: list[Problem] = []
        unknown = list(self.unknown)
        services = list(_services_of(nodes))
        for name, aliases, version, node in services:
            key = self._key([name, *aliases], {version})
            if key is None:
                continue
            path, stated = f"services.{key}", self.services[key]
            found[name] = stated
            used.append(key)
            if (other := key.partition(":")[2]) not in {"", "latest", version} and version:
                unknown.append(
                    (path, f"this service has the version {version}, and not {other}; it is used all the same")
                )
            if node is None:
                problems += _problems_of_version(path, stated)
            else:
                problems += _problems_of(path, stated, node)
                unknown += _misspelt(path, stated, node)
        unknown += _unused(self.services, used, {each for name, aliases, *_ in services for each in (name, *aliases)})
        if problems:
            raise ConfigError(self.where, problems)
        return Overrides(found, self.where, self.secrets, unknown)

    def _key(self, names: Iterable[str], versions: set[str]) -> str | None:
        """The key for a service with one of these names: that of its version, else without one, else any."""
        for name in dict.fromkeys(names):
            keys = [key for key in self.services if key.partition(":")[0] == name]
            exact = [f"{name}:{version}" for version in (*versions, "latest")]
            for key in (*exact, name, *keys):
                if key in keys:
                    return key
        return None


def read_config(path: Path, variables: Mapping[str, str] | None = None) -> ConfigFile:
    """Reads the file, whose `$env` are names of `variables`; raises ConfigError if it is malformed."""
    where = str(path)
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ConfigError(where, [("", f"cannot be read ({problem.strerror})")]) from problem
    data = require_object(read_json(text, where), where)
    data = replaced(_with_pointers(data), where, lambda value, _: _absolute(value, path.parent))
    values, _ = followed(data, where, os.environ if variables is None else variables)
    unknown: list[Problem] = []
    file = validate(_File, values, where, unknown=unknown)
    return ConfigFile(where, file.services, list(_from_files(data, values)), unknown)


def _with_pointers(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The file, in which `"file:PATH"`, as the value of a parameter, is the pointer `{"$file": "PATH"}`."""

    def values(section: Any) -> Any:
        if not isinstance(section, dict):
            return section
        return {
            name: {_POINTER: value.removeprefix(_FILE)} if isinstance(value, str) and value.startswith(_FILE) else value
            for name, value in section.items()
        }

    def service(section: Any) -> Any:
        if not isinstance(section, dict):
            return section
        changed = {"parameters": values(section["parameters"])} if "parameters" in section else {}
        if isinstance(section.get("datastores"), dict):
            changed["datastores"] = {key: service(each) for key, each in section["datastores"].items()}
        return {**section, **changed}

    services = data.get("services")
    return (
        {**data, "services": {key: service(each) for key, each in services.items()}}
        if isinstance(services, dict)
        else data
    )


def _absolute(value: Any, folder: Path) -> Any:
    """A pointer to a file with a relative path, or one that begins with "~", with the absolute one."""
    if is_pointer(value) and isinstance(target := value.get(_POINTER), str) and target and "\0" not in target:
        return {_POINTER: str(_path(target, folder))}
    return value


def _path(path: str, folder: Path) -> Path:
    return folder.absolute() / os.path.expanduser(path)  # noqa: PTH111 - Path's raises an error for an unknown user


def _from_files(data: Any, values: Any) -> Iterator[str]:
    """The values to which pointers to files in `data` have been replaced."""
    if is_pointer(data):
        if _POINTER in data:
            yield values
    elif isinstance(data, dict):
        for key, each in data.items():
            yield from _from_files(each, values[key])


def _services_of(nodes: list[Node]) -> Iterator[tuple[str, list[str], str, Node | None]]:
    """Each service of a run: its name, the names that others call it, its version, and its node, if it has a folder."""
    for node in nodes:
        aliases = [key for other in nodes for key, each in other.dependencies.items() if each is node]
        yield node.name, aliases, node.manifest.version or "", node
    for name, version in {key: version for node in nodes for key, version in node.versions.items()}.items():
        if name not in {node.name for node in nodes}:
            yield name, [], version, None


def _problems_of_version(path: str, service: ServiceOverride) -> Iterator[Problem]:
    if service.host is None:
        yield (
            f"{path}.host",
            "is missing: a dependency by version cannot be started here, unless `debug.path` is stated",
        )


def _problems_of(path: str, service: ServiceOverride, node: Node) -> Iterator[Problem]:
    if service.api is not None and service.host is None:
        yield f"{path}.api", "needs a `host`: the protocol of a service that is started is in its manifest"
    if service.port is not None and service.host is None and node.api is None:
        yield f"{path}.port", "this service has no api, and listens nowhere"


def _misspelt(path: str, service: ServiceOverride, node: Node) -> Iterator[Problem]:
    """Datastores that the service does not have, and undeclared parameters whose names resemble a declared one's."""
    datastores = node.manifest.datastores
    yield from _undeclared(f"{path}.parameters", service.parameters, node.manifest.parameters)
    for key, stated in service.datastores.items():
        if key in datastores:
            yield from _undeclared(f"{path}.datastores.{key}.parameters", stated.parameters, datastores[key].parameters)
        else:
            reason = f"there is no such datastore{did_you_mean(key, datastores)}; {listing(sorted(datastores))}"
            yield f"{path}.datastores.{key}", reason


def _undeclared(path: str, stated: Iterable[str], declared: Iterable[str]) -> Iterator[Problem]:
    for name in stated:
        if name not in declared and (hint := did_you_mean(name, set(declared).difference(stated))):
            yield f"{path}.{name}", f"is not declared{hint}; it is passed on as it is"


def _unused(services: Iterable[str], used: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    """The keys of services that are not part of the run, or that state another version."""
    for key in services:
        name = key.partition(":")[0]
        other = next((each for each in used if each.partition(":")[0] == name), None)
        if key in used:
            continue
        reason = f"there is no such service{did_you_mean(name, known)}; {listing(sorted(known))}"
        yield f"services.{key}", f"is not used; services.{other} is" if other else reason
