"""Restarts a service when one of its files changes, and those that use its stubs when its definitions do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from architect_cli.install import install_stubs
from architect_cli.messages import error_text
from architect_cli.parts.part import State
from architect_core.contract import MANIFEST_FILE
from architect_core.exceptions import ArchitectError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from typing import Any

    from architect_cli.output.console import Console
    from architect_cli.parts.keeping import Parts
    from architect_cli.parts.part import Part
    from architect_cli.planning.plan import Plan
    from architect_cli.planning.tree import Node
    from architect_core.plugins import Plugins

_JOIN_SECONDS = 2.0
_START_SECONDS = 2.0
_SHOWN = 3
_LOOPS = 4  # restarts in a row for the same files, each so soon after the other
_LOOP_SECONDS = 5.0
_IDLE = frozenset({State.WAITING, State.STOPPING, State.STOPPED, State.ABSENT})


class Reloader:
    """Watches the folders of services, in a thread, until it is closed."""

    def __init__(self, plan: Plan, parts: Parts, plugins: Plugins, console: Console) -> None:
        self._plan = plan
        self._parts = parts
        self._plugins = plugins
        self._console = console
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._changes: asyncio.Queue[set[Path]] = asyncio.Queue()
        self._restarts: set[asyncio.Task[None]] = set()
        self._causes: dict[Node, tuple[set[Path], int, float]] = {}  # the last files, how often in a row, and when
        self._since = time.time()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._handling = asyncio.create_task(self._handle())

    async def close(self) -> None:
        """Watch no more, and begin no further restart."""
        self._stop.set()
        tasks = [self._handling, *self._restarts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)

    def _watch(self) -> None:
        """Pass on changes of the services' files; runs in a thread."""
        from architect_cli.parts.ignoring import is_source, written_by
        from architect_cli.parts.watching import changed_files

        definitions = {Path(name).suffix for node in self._plan.nodes for name in _definitions(node)}

        def is_wanted(name: str) -> bool:
            return is_source(name) or name == MANIFEST_FILE or Path(name).suffix in definitions

        try:
            for files in changed_files(self._folders(), self._stop, self._since, is_wanted):
                sessions = {part.pid for part in self._parts if part.pid is not None}
                own = written_by({os.getsid(0), *sessions})  # what the run prints may be in a watched folder, too
                if changed := {Path(path) for path in files - own}:
                    self._loop.call_soon_threadsafe(self._changes.put_nowait, changed)
        except Exception as problem:  # noqa: BLE001 - the run goes on without, whatever the system lacks
            if self._stop.is_set():
                return
            self._console.note(
                f"files are not watched, so that no change restarts a service: {problem}. On Linux, "
                "fs.inotify.max_user_watches limits how many folders can be; --no-reload watches none"
            )

    def _folders(self) -> list[Path]:
        """The folders of services and of their definitions, without those that are in another."""
        started = {each for node in self._plan.started for each in (node, *node.dependencies.values())}
        wanted = {folder for node in started for folder in (node.folder, *_definition_folders(node))}
        return sorted(each for each in wanted if each.is_dir() and not wanted & {*each.parents})

    async def _handle(self) -> None:
        # not while the services start, which need the processors; what changes meanwhile is found then
        starting = asyncio.gather(*(part.steady() for part in self._parts))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):  # `wait_for` of Python 3.11 may swallow that it is cancelled
                await starting
        self._thread.start()
        while True:
            await self._apply(await self._changes.get())

    async def _apply(self, changed: set[Path]) -> None:
        """Restart the services that files belong to, and those whose stubs are generated again."""
        wanted: dict[Node, set[Path]] = {}
        for path in changed:
            if path.name == MANIFEST_FILE:
                self._console.note(f"{path} was changed: the next run reads it")
            elif (owner := self._owner(path)) is not None:
                wanted.setdefault(owner, set()).add(path)
        definitions = [node for node in self._plan.nodes if any(_is_definition(path, node) for path in changed)]
        try:
            for user in await self._generate(definitions):
                wanted.setdefault(user, set())
        except ArchitectError as problem:
            self._console.note(f"{error_text(problem).rstrip('.')}. Its former stubs are used until the next change")
            for node in definitions:
                others = {path for path in wanted.pop(node, ()) if not _is_definition(path, node)}
                if others:
                    wanted[node] = others
        for node, paths in wanted.items():
            self._restart(node, paths)

    async def _generate(self, definitions: Iterable[Node]) -> list[Node]:
        """Generate the stubs of services again; returns those that have them and whose stubs are others now."""
        changed, found = {*definitions}, []
        for user in self._plan.started:
            if changed & {user, *user.dependencies.values()}:
                done = await asyncio.to_thread(install_stubs, user, self._plugins)
                if done.generated:
                    self._console.note(f"stubs of {', '.join(done.generated)} generated for {user.name}")
                    found.append(user)
        return found

    def _owner(self, path: Path) -> Node | None:
        """The service whose folder is the nearest one around a file, if the run starts it."""
        by_folder = {node.folder: node for node in self._plan.nodes}
        owner = next((by_folder[folder] for folder in path.parents if folder in by_folder), None)
        return owner if owner is not None and self._plan.is_started(owner) else None

    def _restart(self, node: Node, paths: set[Path]) -> None:
        parts = [part for part in self._parts if part.made_of == node.name and part.state not in _IDLE]
        if not parts or self._writes_itself(node, paths, parts):
            return
        names = sorted(str(path.relative_to(node.folder)) for path in paths)
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        why = f"{shown} changed" if names else "its stubs changed"
        self._console.note(f"{node.name} is restarted: {why}")
        for part in parts:
            self._begin(self._restart_part(part))

    def _writes_itself(self, node: Node, paths: set[Path], parts: Sequence[Part]) -> bool:
        """Whether a service seems to write these files each time it starts, which would restart it for ever.

        A person may change a program as often, but hardly before it has started.
        """
        from architect_cli.parts.ignoring import is_source

        former, count, at = self._causes.get(node, (paths, 0, 0.0))
        now = self._loop.time()
        may_be_its_own = any(part.state is State.STARTING for part in parts) or not any(
            is_source(path.name) for path in paths
        )
        is_same = bool(paths) and paths == former and now - at < _LOOP_SECONDS
        count = count + 1 if is_same and may_be_its_own else 0
        self._causes[node] = (paths, count, now)
        if count == _LOOPS:
            names = ", ".join(sorted(str(path.relative_to(node.folder)) for path in paths))
            self._console.note(
                f"{node.name} changes {names} each time it starts: that restarts it no more. Name it in .gitignore"
            )
        return count >= _LOOPS

    async def _restart_part(self, part: Part) -> None:
        state = await self._parts.restart(part.name, changed=True)
        if state is State.READY and part.wait is not None:
            self._console.note(f"{part.name} is ready again")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)


def _definitions(node: Node) -> Sequence[str]:
    api = node.manifest.api
    return () if api is None else api.definitions


def _definition_folders(node: Node) -> Sequence[Path]:
    """The folders with definitions of a service, which may be elsewhere."""
    api = node.manifest.api
    if api is None or not api.definitions:
        return ()
    files = [(node.folder / name).parent for name in api.definitions if "*" not in name]
    found = []
    for folder in (*files, *(node.folder / root for root in api.roots)):
        with contextlib.suppress(OSError):
            found.append(folder.resolve())
    return found


def _is_definition(path: Path, node: Node) -> bool:
    """Whether a file may be a definition of a service, or one that such a file imports."""
    if path.suffix not in {Path(name).suffix for name in _definitions(node)}:
        return False
    return any(folder in path.parents for folder in (node.folder, *_definition_folders(node)))
