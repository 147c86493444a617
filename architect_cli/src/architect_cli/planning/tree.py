"""A service and all that it depends on, according to their manifests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_core.contract import MANIFEST_FILE, stub_folder
from architect_core.exceptions import ManifestError, RunError
from architect_core.schema.manifest import load_manifest, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from architect_core.schema.base import Problem
    from architect_core.schema.manifest import Manifest

    FolderOf = Callable[[str, str], Path | None]

_FILE = "file:"


@dataclass(eq=False)
class Node:
    """A service in a folder, with its dependencies under the names that it calls them.

    `versions` has the dependencies by version, which cannot be fetched; `unknown`, the keys of the manifest that no
    field has; `file`, the manifest's name.
    """

    folder: Path
    manifest: Manifest
    dependencies: dict[str, Node] = field(default_factory=dict, repr=False)
    versions: dict[str, str] = field(default_factory=dict)
    unknown: list[Problem] = field(default_factory=list, repr=False)
    file: str = MANIFEST_FILE

    @property
    def name(self) -> str:
        """Its own name."""
        return self.manifest.name

    @property
    def where(self) -> str:
        """Its manifest, for messages."""
        return str(self.folder / self.file)

    @property
    def known_as(self) -> dict[str, Node]:
        """The dependencies by every name that they answer to: the key in this manifest, and the name in their own.

        A dependency's own name is not used if its stubs would lie in or around the folder of another name's.
        """
        found = dict(self.dependencies)
        for node in self.dependencies.values():
            taken = {stub_folder(name).casefold() for name in (self.name, *found, *self.versions)}
            own = stub_folder(node.name).casefold()
            if not any(own == each or f"{own}/" in f"{each}/" or f"{each}/" in f"{own}/" for each in taken):
                found[node.name] = node
        return found

    @property
    def api(self) -> str | None:
        """The protocol it serves; None for a script."""
        return self.manifest.api.type if self.manifest.api else None

    @property
    def handlers(self) -> list[str]:
        """The modules that take events from a broker: those of subscriptions that have no `uri`."""
        wanted = [each for events in self.manifest.subscriptions.values() for each in events.values()]
        return sorted({each.handler for each in wanted if each.handler is not None and each.uri is None})

    @property
    def signing_secrets(self) -> set[str]:
        """The parameters with the secrets that deliveries of events to the service are signed with."""
        wanted = [each for events in self.manifest.subscriptions.values() for each in events.values()]
        return {each.secret for each in wanted if each.secret is not None}

    def closure(self) -> list[Node]:
        """The service itself, and all that it depends on by folder, directly or not."""
        found = [self]
        for node in found:
            found += [each for each in node.dependencies.values() if each not in found]
        return found


def load_tree(*folders: Path, folder_of: FolderOf = lambda _name, _version: None) -> list[Node]:
    """Returns the services in `folders` and all that they depend on by folder, dependencies first.

    For a dependency, the path may also be that of its manifest, which then may have any name that ends with ".json".
    `folder_of` returns the folder to take for a dependency, by its name and version, or None for the one in the
    manifest. A dependency that closes a cycle is not followed. Raises ManifestError if a manifest is missing or
    malformed, and RunError if two folders hold services of one name.
    """
    nodes: dict[Path, Node] = {}
    ordered: list[Node] = []
    for folder in folders:
        path = _resolved(folder)
        if path not in nodes:
            load_manifest(path)  # raises an error for a file, which only a dependency may be
            _visit(path, nodes, ordered, folder_of)
    by_name: dict[str, Node] = {}
    for node in ordered:
        other = by_name.setdefault(node.name, node)
        if other is not node:
            raise RunError(f"two services are named {node.name!r}: {other.folder} and {node.folder}. Rename one")
    return ordered


def roots_of(nodes: Sequence[Node], folders: Sequence[Path]) -> list[Node]:
    """Returns the services in `folders`, each once."""
    wanted = {_resolved(folder) for folder in folders}
    return [node for node in nodes if node.folder in wanted]


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError) as problem:  # a link to itself, a NUL in the name
        raise ManifestError(str(folder), [("", f"cannot be read ({problem})")]) from problem


def _of_dependency(path: Path) -> Path:
    """The folder at a path, or the one of the architect.json there."""
    found = _resolved(path)
    return found.parent if found.name == MANIFEST_FILE and found.is_file() else found


def _load(path: Path) -> Node:
    """The service in a folder, or the one whose manifest is a file of another name in its folder."""
    unknown: list[Problem] = []
    if path.suffix == ".json" and path.is_file():
        return Node(path.parent, parse_manifest(path.read_bytes(), str(path), unknown), unknown=unknown, file=path.name)
    return Node(path, load_manifest(path, unknown), unknown=unknown)


def _visit(path: Path, nodes: dict[Path, Node], ordered: list[Node], folder_of: FolderOf) -> Node:
    node = nodes[path] = _load(path)
    folder = node.folder
    for key, wanted in node.manifest.dependencies.items():
        is_folder = wanted.startswith(_FILE)
        stated = folder_of(key, "" if is_folder else wanted)
        if stated is None and not is_folder:
            node.versions[key] = wanted
            continue
        target = folder / wanted.removeprefix(_FILE) if stated is None else stated
        try:
            target = _of_dependency(target)
            if stated is None:
                own = _load(target).manifest
                target = _of_dependency(folder_of(own.name, own.version or "") or target)
            node.dependencies[key] = nodes[target] if target in nodes else _visit(target, nodes, ordered, folder_of)
        except ManifestError as problem:
            if problem.where != str(target):
                raise
            reason = f"{target}: {problem.problems[0][1]}"
            raise ManifestError(node.where, [(f"dependencies.{key}", reason)]) from problem
    ordered.append(node)
    return node
