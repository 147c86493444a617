"""What starting a run needs: the commands and readiness probes of services, and the checks before the first start."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from architect_cli.planning.environment import programs_of
from architect_core.contract import DatastoreProvisioner, ReadinessProbe, did_you_mean, read_json
from architect_core.exceptions import ManifestError, NoPluginError, RunError
from architect_core.plugins.known import BY_NAME
from architect_core.schema import validate

if TYPE_CHECKING:
    from architect_cli.planning.plan import Datastore, Plan
    from architect_cli.planning.tree import Node
    from architect_core.plugins import Plugins

_PYTHON_PROGRAMS = ("main.py", "app.py", "server.py")
# what only a shell understands: its operators, a variable before the command, and built-in commands
_NEEDS_A_SHELL = re.compile(r"[;&|<>$`\n(){}\[*?~#]|^\s*(\w+=|(exec|cd|export|set|ulimit|umask|eval|source|\.|!)\s)")


@dataclass(frozen=True)
class Readiness:
    """The probe of a service's protocol, with an instance of its `Options` from the manifest."""

    protocol: str
    probe: ReadinessProbe
    options: Any


def provisioner_of(datastore: Datastore, plugins: Plugins) -> DatastoreProvisioner:
    """Returns what starts a datastore; raises RunError if no installed plugin starts its engine."""
    engine, label = datastore.engine, datastore.label
    reason = f"{label}: a {engine} server cannot be started here"
    try:
        provisioner = plugins.find(DatastoreProvisioner, engine, label)
    except NoPluginError as problem:
        provisioner = None
        # for a known one, there is a package to install
        reason = str(problem) if engine in BY_NAME else reason + did_you_mean(engine, problem.installed, 0.75)
    if provisioner is None:
        raise RunError(f"{reason}. State the host of one that runs, with --config or as `host` in architect.json")
    return provisioner


def readiness_of(node: Node, plugins: Plugins) -> Readiness | None:
    """Returns a service's probe, or None if its protocol has none: then it is ready when something listens.

    Raises ManifestError if `api.readiness` has wrong options, or there is no probe for them.
    """
    api = node.manifest.api
    if api is None:
        return None
    try:
        probe = plugins.find(ReadinessProbe, api.type, f"service {node.name!r}")
    except NoPluginError:  # the run itself needs none
        probe = None
    where = node.where
    if probe is not None:
        options = validate(probe.Options, api.readiness, where, "api.readiness", error=ManifestError)
        return Readiness(api.type, probe, options)
    if api.readiness:
        raise ManifestError(where, [("api.readiness", f"no installed plugin has a readiness probe for {api.type!r}")])
    return None


def check(plan: Plan, plugins: Plugins) -> dict[Datastore, DatastoreProvisioner]:
    """Returns the datastores to start and what starts them, after a check of everything that can be checked.

    The entries of datastores that run elsewhere are added to the plan. Raises ArchitectError if something is wrong;
    the message lists all problems of one kind.
    """
    unknown = sorted(
        f"{name} {version} (of {node.name})"
        for node in plan.started
        for name, version in node.versions.items()
        if plan.overrides.of(name).host is None
    )
    if unknown:
        raise RunError(
            f"dependencies by version cannot be fetched: {', '.join(unknown)}. State the host of each with --config, "
            "or depend on its folder (file:...)"
        )
    for node in plan.nodes:
        plan.subscribers(node)  # raises an error for an event that is not announced
    missing: list[str] = []
    provisioners: dict[Datastore, DatastoreProvisioner] = {}
    for node in plan.started:
        command_of(node)  # raises an error if there is none
        programs_of(node)  # and if its Python cannot be started
        declared, values = node.manifest.parameters, plan.parameters(node)
        missing += [
            f"{node.name}: {name}" for name, each in declared.items() if each.is_required and name not in values
        ]
        for datastore in plan.datastores(node):
            entry = datastore.remote_entry()
            missing += datastore.missing(entry)
            if entry is None:
                provisioners[datastore] = provisioner_of(datastore, plugins)
            else:
                plan.entries.setdefault(node.name, {})[datastore.key] = entry
    if missing:
        raise RunError(f"required parameters have no value: {', '.join(missing)}. State them with --config")
    return provisioners


def command_of(node: Node) -> list[str] | None:
    """Returns a service's `debug` command, or the usual one of its language.

    None if it has neither, and needs none, because it consists of handlers of events. Raises RunError otherwise.
    """
    debug, language = node.manifest.debug, node.manifest.language
    if debug is not None:
        return ["/bin/sh", "-c", debug] if _NEEDS_A_SHELL.search(debug) else _split(debug, node)
    if language == "node":
        if _has_start_script(node):
            return ["npm", "start"]
        if (node.folder / "index.js").is_file():
            return ["node", "index.js"]
        searched = "package.json with a start script, index.js"
    else:
        for program in _PYTHON_PROGRAMS if language in {None, "python"} else ():
            if (node.folder / program).is_file():
                return ["python", program]
        searched = ", ".join(_PYTHON_PROGRAMS)
    if node.api is None and node.handlers:
        return None
    raise RunError(
        f"{node.name}: the command that starts it is not known. Write `debug` in {node.where}; "
        f"its folder has none of: {searched}"
    )


def _split(debug: str, node: Node) -> list[str]:
    reason = "it is empty"
    try:
        if words := shlex.split(debug):
            return words
    except ValueError as problem:
        reason = str(problem).lower()
    raise RunError(f"{node.name}: `debug` in {node.where} cannot be read: {reason}")


def _has_start_script(node: Node) -> bool:
    package = node.folder / "package.json"
    if not package.is_file():
        return False
    content = read_json(package.read_bytes(), str(package), error=ManifestError)
    scripts = content.get("scripts") if isinstance(content, dict) else None
    return isinstance(scripts, dict) and "start" in scripts
