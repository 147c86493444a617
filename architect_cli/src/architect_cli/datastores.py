"""A datastore of a run: the values that it is made with, and its entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from architect_core.resolver.engine import GENERIC, engine_of_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_cli.overrides import DatastoreOverride
    from architect_core.schema import ManifestDatastore

_LOGIN = ("username", "password", "name")
_OF_SERVER = {*_LOGIN, "host", "port", "url"}


@dataclass(frozen=True)
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
    def engine(self) -> str:
        """The engine that the manifest names."""
        return self.declared.type or engine_of_image(self.declared.image or "") or GENERIC

    def wanted(self) -> dict[str, str]:
        """The requested values by alias: username, password, name, and whatever else parameters are aliases of."""
        values = {
            parameter.alias: value
            for name, parameter in self.declared.parameters.items()
            if parameter.alias and (value := self.override.parameters.get(name, parameter.default)) is not None
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
            value = values.get(parameter.alias) if parameter.alias else None
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
            entry = self.entry({each.alias: "" for each in declared.values() if each.alias in provided})
        return [
            f"{self.service}.{self.key}: {name}"
            for name, each in declared.items()
            if each.required and name not in entry
        ]
