"""The datastores of a run: used where they are, or servers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.contract import DatastoreProvisioner
from architect_core.exceptions import RunError
from architect_core.resolver.engine import GENERIC, engine_of_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_cli.overrides import DatastoreOverride
    from architect_core.plugins import Plugins
    from architect_core.schema import ManifestDatastore, Parameter

_FIELDS = ("username", "password", "name")
_GIVEN_BY_SERVER = {*_FIELDS, "host", "port", "url"}


def engine_of(declared: ManifestDatastore) -> str:
    """The engine that a manifest asks for."""
    return declared.type or engine_of_image(declared.image or "") or GENERIC


def wanted_values(declared: ManifestDatastore, override: DatastoreOverride) -> dict[str, str]:
    """What is asked for, by alias: any of username, password and name, and what else parameters name."""
    values = {
        parameter.alias: value
        for name, parameter in declared.parameters.items()
        if parameter.alias and (value := override.parameters.get(name, parameter.default)) is not None
    }
    stated = {field: getattr(override, field) for field in _FIELDS}
    return values | {field: value for field, value in stated.items() if value is not None}


def used_where_it_is(declared: ManifestDatastore, override: DatastoreOverride) -> dict[str, Any] | None:
    """The entry of a datastore whose host is stated, or None for one that the run starts."""
    host = override.host or declared.host
    if host is None:
        return None
    port = override.port or declared.port
    place = {"host": host} if port is None else {"host": host, "port": port}
    return with_parameters(declared, override, place | wanted_values(declared, override))


def with_parameters(
    declared: ManifestDatastore, override: DatastoreOverride, entry: Mapping[str, Any]
) -> dict[str, Any]:
    """`entry` with the raw parameters beside their aliases, and with what tells its engine."""
    raw = {}
    for name, parameter in declared.parameters.items():
        value = entry.get(parameter.alias) if parameter.alias else None
        value = value if value is not None else override.parameters.get(name, parameter.default)
        if value is not None:
            raw[name] = value
    engine = {"image": declared.image} if declared.image else {"type": declared.type}
    return {**raw, **engine, **entry}


def missing_values(path: str, parameters: Mapping[str, Parameter], entry: Mapping[str, Any]) -> list[str]:
    """The required parameters of a datastore that got no value: `service.datastore: PARAMETER`."""
    return [f"{path}: {name}" for name, parameter in parameters.items() if parameter.required and name not in entry]


def missing_wishes(path: str, declared: ManifestDatastore, override: DatastoreOverride) -> list[str]:
    """The same for one that is started: its server gives the user, the password and the like, and nothing else."""
    wanted = wanted_values(declared, override)
    given = _GIVEN_BY_SERVER.union(wanted)
    known = {name for name, parameter in declared.parameters.items() if parameter.alias in given}
    return missing_values(path, declared.parameters, with_parameters(declared, override, dict.fromkeys(known)))


def provisioner_for(declared: ManifestDatastore, path: str, plugins: Plugins) -> DatastoreProvisioner:
    """What starts a server for a datastore.

    Raises:
        NoPluginError: no installed plugin knows the engine.
        RunError: the plugin cannot start one; the user has to say where one is.
    """
    engine = engine_of(declared)
    provisioner = plugins.find(DatastoreProvisioner, engine, f"datastore {path}")
    if provisioner is None:
        raise RunError(
            f"datastore {path}: a {engine} server cannot be started here. Say where one is, with --config or as `host` "
            "in architect.json"
        )
    return provisioner
