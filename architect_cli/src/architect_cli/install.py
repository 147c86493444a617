"""The stubs that a service needs, in its `architect_services` folder."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import inspect
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from architect_cli import unchanged
from architect_core.contract import STUBS_FOLDER, Definitions, StubGenerator, stub_folder
from architect_core.exceptions import RunError, StubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from architect_cli.planning.tree import Node
    from architect_core.plugins import Plugins

CHECKSUM = "checksum"
_NEW = ".new-"


@dataclass
class Installed:
    """The services whose stubs an installation wrote or left unchanged, the folders that it removed, and notes."""

    generated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def install_stubs(node: Node, plugins: Plugins, progress: Callable[[str], None] = lambda _: None) -> Installed:
    """Bring the stubs of a service and of its dependencies up to date.

    All stubs are generated before any is written, so a failure leaves the previous stubs in place. `progress` is
    called with the name of each service whose stubs are about to be generated.

    Raises NoPluginError if a protocol's package is not installed, StubError with file and line if definitions are
    missing or do not compile, and RunError if the stubs cannot be written.
    """
    try:
        with _locked(node.folder):
            return _install(node, plugins, progress)
    except OSError as problem:
        reason = f"{problem.strerror or problem} ({problem.filename or node.folder})"
        raise RunError(f"the stubs of {node.name} cannot be written: {reason}") from problem


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder, so that a second installation waits for the first; Windows has no such locks."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    opened = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _install(node: Node, plugins: Plugins, progress: Callable[[str], None]) -> Installed:
    done = Installed()
    if node.manifest.language not in {None, "python"}:
        done.notes.append(f"{node.name} is written in {node.manifest.language}, for which no stubs are generated")
        return done
    folder = node.folder / STUBS_FOLDER
    wanted = _wanted(node)
    _check_nesting(wanted)
    done.notes += [
        f"{name} is a dependency by version, which cannot be fetched: write `file:` and the path of its folder. "
        "Existing stubs of it are kept"
        for name in node.versions
    ]
    key = repr((wanted, node.versions, sys.version))
    if (notes := unchanged.recorded_notes(folder, key)) is not None:
        done.unchanged += wanted
        done.notes += notes
        return done
    started = time.time_ns()
    stubs: dict[StubGenerator, tuple[str, dict[str, Path]]] = {}
    inputs: list[Iterable[str] | None] = []
    contents: dict[str, dict[str, bytes]] = {}
    for name, (protocol, definitions) in wanted.items():
        asked_by = f"the definitions of {name}"
        generator = plugins.get(StubGenerator, protocol, asked_by)
        stubs.setdefault(generator, (protocol, {}))[1][name] = folder / stub_folder(name)
        with plugins.blamed(protocol, asked_by):
            checksum = generator.checksum(definitions)
            inputs += [generator.inputs(definitions), [inspect.getfile(type(generator))]]
        if _is_intact(folder / stub_folder(name), checksum):
            done.unchanged.append(name)
            continue
        progress(name)
        with plugins.blamed(protocol, asked_by):
            generated = generator.generate(definitions)
            for path in map(PurePosixPath, generated):
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError("a path of generated stubs leads out of their folder")
        contents[name] = {**generated, CHECKSUM: f"{checksum}\n{_digest(generated)}\n".encode()}
        done.generated.append(name)
    for leftover in folder.glob(f"{_NEW}*"):  # of an installation that was killed
        shutil.rmtree(leftover)
    # before the new stubs are written, because some may belong into a folder that is no longer needed
    done.removed = _remove_others(folder, {stub_folder(name) for name in (*wanted, *node.versions)})
    if contents:
        _write(folder, contents)
    notes = []
    for generator, (protocol, folders) in stubs.items():
        with plugins.blamed(protocol, f"the definitions of {node.name}"):
            notes += generator.finish(folders, folder)
    if inputs and all(each is not None for each in inputs):
        unchanged.write_record(folder, key, chain.from_iterable(filter(None, inputs)), notes, started)
    done.notes += notes
    return done


def _wanted(node: Node) -> dict[str, tuple[str, Definitions]]:
    """The services whose stubs the service needs: name -> protocol and definitions."""
    return {
        name: (
            api.type,
            Definitions(name, service.folder, tuple(_matching(service, api.definitions)), tuple(api.roots)),
        )
        for name, service in ((node.name, node), *node.known_as.items())
        if (api := service.manifest.api) is not None and api.definitions
    }


def _matching(service: Node, definitions: Sequence[str]) -> Iterator[str]:
    """The files of `definitions`, in which patterns are replaced by the files that match."""
    for name in definitions:
        if not glob.has_magic(name) or (service.folder / name).exists():
            yield name
            continue
        # unlike Path.glob, it leaves out hidden folders and follows links
        found = sorted(glob.glob(name, root_dir=service.folder, recursive=True))  # noqa: PTH207
        files = [Path(path).as_posix() for path in found if (service.folder / path).is_file()]
        if not files:
            raise StubError(f"{service.name}: no file in {service.folder} matches {name} (api.definitions)")
        yield from files


def _check_nesting(names: dict[str, tuple[str, Definitions]]) -> None:
    by_folder = {stub_folder(name): name for name in names}
    for folder, name in by_folder.items():
        owner, slash, _ = folder.partition("/")
        if slash and owner in by_folder:
            raise RunError(
                f"the stubs of {name} would lie inside of those of {by_folder[owner]}; call one dependency differently"
            )


def _write(folder: Path, contents: dict[str, dict[str, bytes]]) -> None:
    """Write the stubs of all services to a temporary folder, then rename each."""
    _make_package(folder)
    with tempfile.TemporaryDirectory(prefix=_NEW, dir=folder) as name:
        for service, files in contents.items():
            new = Path(name) / stub_folder(service)
            for path, content in files.items():
                target = new / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            for inner in (new, *(path for path in new.rglob("*") if path.is_dir())):
                _make_package(inner)
        for service in contents:
            new, final = Path(name) / stub_folder(service), folder / stub_folder(service)
            _make_package(final.parent)
            if final.exists():
                _replace(final, new, Path(name) / "former")
            else:
                new.rename(final)


def _replace(final: Path, new: Path, former: Path) -> None:
    final.rename(former)
    try:
        new.rename(final)
    except BaseException:
        former.rename(final)
        raise
    shutil.rmtree(former)


def _make_package(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()


def _remove_others(folder: Path, kept: set[str]) -> list[str]:
    """Delete the stub folders, recognised by their checksum, that are not in `kept`; returns their names."""
    removed = []
    for checksum in sorted([*folder.glob(f"*/{CHECKSUM}"), *folder.glob(f"*/*/{CHECKSUM}")]):
        stubs = checksum.parent
        name = stubs.relative_to(folder).as_posix()
        if name in kept or not checksum.is_file():
            continue
        shutil.rmtree(stubs)
        removed.append(name)
        if stubs.parent != folder and {path.name for path in stubs.parent.iterdir()} <= {"__init__.py", "__pycache__"}:
            shutil.rmtree(stubs.parent)
    return removed


def _is_intact(stubs: Path, checksum: str) -> bool:
    """Whether the stubs exist, belong to definitions with this checksum, and are as they were generated."""
    try:
        noted = (stubs / CHECKSUM).read_text(encoding="utf-8").splitlines()
        files = [path for path in stubs.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
        return noted == [checksum, _digest({path.relative_to(stubs).as_posix(): path.read_bytes() for path in files})]
    except (OSError, UnicodeDecodeError):
        return False


def _digest(files: Mapping[str, bytes]) -> str:
    """A hash of generated files, without those that the installation adds."""
    digest = hashlib.sha256()
    for path in sorted(files):
        if Path(path).name not in {CHECKSUM, "__init__.py"}:
            digest.update(f"{path} {len(files[path])} ".encode() + files[path])
    return digest.hexdigest()
