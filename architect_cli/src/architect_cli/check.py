"""What can be found wrong with a run before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_cli.command import command_of
from architect_cli.datastores import engine_of, missing_values, missing_wishes, provisioner_for, used_where_it_is
from architect_cli.environment import missing_parameters
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from pathlib import Path

    from architect_cli.environment import Plan
    from architect_cli.overrides import DatastoreOverride
    from architect_core.contract import DatastoreProvisioner, Provisioned
    from architect_core.plugins import Plugins
    from architect_core.schema import ManifestDatastore


@dataclass(frozen=True)
class DatastoreStart:
    """A datastore that the run has to start."""

    path: str
    key: str
    declared: ManifestDatastore
    override: DatastoreOverride
    provisioner: DatastoreProvisioner
    plugins: Plugins

    def provision(self, wanted: dict[str, str], folder: Path, port: int) -> Provisioned:
        """Have the plugin make the server's data; an error of the plugin is told as one."""
        with self.plugins.blamed(engine_of(self.declared), f"datastore {self.path}"):
            return self.provisioner.provision(wanted, folder, port)

    def prepare(self, provisioned: Provisioned) -> None:
        """Have the plugin set up users and databases, once the server listens; likewise."""
        if provisioned.prepare is not None:
            with self.plugins.blamed(engine_of(self.declared), f"datastore {self.path}"):
                provisioned.prepare()


def check(plan: Plan, plugins: Plugins) -> dict[str, list[DatastoreStart]]:
    """Find whatever is wrong before anything is started; gives the datastores to start, by service.

    Raises:
        ArchitectError: what is wrong, all of a kind at once.
    """
    nowhere = sorted(
        f"{name} {version} (of {node.name})"
        for node in plan.nodes
        if plan.is_started(node)
        for name, version in node.versions.items()
        if plan.overrides.of(name).host is None
    )
    if nowhere:
        raise RunError(
            f"dependencies by version cannot be fetched: {', '.join(nowhere)}. Say where each is with --config, "
            "or depend on its folder (file:...)"
        )
    missing = missing_parameters(plan)
    starts: dict[str, list[DatastoreStart]] = {}
    for node in plan.nodes:
        plan.subscribers(node)  # tells of a subscription to an event that is not announced
        if not plan.is_started(node):
            continue
        command_of(node)  # tells of a service that nothing starts
        for key, declared in node.manifest.datastores.items():
            path, override = f"{node.name}.{key}", plan.overrides.of(node.name).of(key)
            entry = used_where_it_is(declared, override)
            if entry is None:
                provisioner = provisioner_for(declared, path, plugins)
                start = DatastoreStart(path, key, declared, override, provisioner, plugins)
                starts.setdefault(node.name, []).append(start)
                missing += missing_wishes(path, declared, override)
            else:
                missing += missing_values(path, declared.parameters, entry)
                plan.datastores.setdefault(node.name, {})[key] = entry
    if missing:
        raise RunError(f"required parameters have no value: {', '.join(missing)}. State them with --config")
    return starts
