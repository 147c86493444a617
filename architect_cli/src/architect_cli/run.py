"""`architect run`: a service with all that it depends on, started, watched and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shlex
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from architect_cli.check import check
from architect_cli.command import command_of
from architect_cli.datastores import wanted_values, with_parameters
from architect_cli.environment import LOCAL, Plan
from architect_cli.install import install_stubs
from architect_cli.masking import passwords_in, secrets_of
from architect_cli.output import Console, error_text
from architect_cli.overrides import Overrides, load_overrides
from architect_cli.processes import Program, spawn
from architect_cli.readiness import readiness_of
from architect_cli.resolved import public
from architect_cli.tree import load_tree
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from architect_cli.check import DatastoreStart
    from architect_cli.readiness import Readiness
    from architect_cli.tree import Node

_POLL_SECONDS = 0.02
_READER_GONE = 128 + signal.SIGPIPE

Result = TypeVar("Result")


def run_system(folder: Path, config: Path | None, temporary: Path, timeout: float) -> int:
    """Run the service in `folder`; gives the exit code.

    Args:
        folder: where the service's architect.json is.
        config: a file with overrides.
        temporary: an empty folder that is removed after the run.
        timeout: seconds that each program may take until it listens.

    Raises:
        ArchitectError: something is wrong before anything was started.
    """
    nodes = load_tree(folder)
    plan = Plan(nodes, load_overrides(config, nodes) if config else Overrides())
    console = Console([node.name for node in nodes if plan.is_started(node)])
    console.hide(secrets_of(plan))
    plugins = Plugins()
    starts = check(plan, plugins)
    readiness = {node.name: readiness_of(node, plugins) for node in nodes if plan.is_started(node)}
    for node in nodes:
        if plan.is_started(node):
            done = install_stubs(node, plugins)
            if done.generated:
                console.note(f"stubs of {', '.join(done.generated)} generated for {node.name}")
            for note in done.notes:
                console.note(f"{node.name}: {note}")
    return asyncio.run(Run(plan, console, starts, readiness, temporary, timeout).until_it_ends())


class Run:
    """One run: starts what is needed in order, and stops all of it when the first part ends."""

    def __init__(
        self,
        plan: Plan,
        console: Console,
        starts: dict[str, list[DatastoreStart]],
        readiness: dict[str, Readiness | None],
        temporary: Path,
        timeout: float,
    ) -> None:
        self._plan = plan
        self._console = console
        self._starts = starts
        self._readiness = readiness
        self._temporary = temporary
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._datastore_ports: dict[tuple[str, str], int] = {}
        self._programs: list[Program] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._ready = {node.name: asyncio.Event() for node in plan.nodes}
        self._stopping = False

    async def until_it_ends(self) -> int:
        """Start everything, wait for the first end or signal, stop everything; gives the exit code."""
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        self._console.on_failure = self._on_silence
        started = [node for node in self._plan.nodes if self._plan.is_started(node)]
        self._choose_ports(started)
        self._introduce(started)
        tasks = [asyncio.create_task(self._guard(self._live(node))) for node in started]
        for node in self._plan.nodes:
            if node not in started:
                self._ready[node.name].set()
        try:
            code = await self._outcome
        except ArchitectError as problem:
            self._console.error(error_text(problem))
            code = 1
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop_all()
            self._threads.shutdown(wait=False, cancel_futures=True)
        return code

    def _choose_ports(self, started: list[Node]) -> None:
        """Choose all ports at once, so that no two are the same, the stated ones first.

        Raises:
            RunError: a stated port is taken.
        """
        services = {node.name: self._plan.overrides.of(node.name).port for node in started if node.api is not None}
        datastores = {
            (name, start.key): start.override.port for name, starts in self._starts.items() for start in starts
        }
        stated: dict[int, str] = {}
        with contextlib.ExitStack() as held:
            for who, port in {**services, **{"/".join(key): port for key, port in datastores.items()}}.items():
                if port is not None:
                    other = stated.setdefault(port, who)
                    if other != who:
                        raise RunError(f"{other} and {who} are both to listen on port {port}. Change one in --config")
                    _hold_port(held, port, who)
            self._plan.ports |= {name: port or _hold_port(held) for name, port in services.items()}
            self._datastore_ports |= {key: port or _hold_port(held) for key, port in datastores.items()}

    def _introduce(self, started: list[Node]) -> None:
        for node in self._plan.nodes:
            if node not in started:
                host = public(str(self._plan.overrides.of(node.name).host))
                self._console.note(f"{node.name} is used where it is: {host}")
            elif node.name in self._plan.ports:
                self._console.note(f"{node.name} ({node.api}) will listen on {LOCAL}:{self._plan.ports[node.name]}")

    def _on_signal(self, number: int) -> None:
        if self._stopping:  # the second time, without asking
            for program in self._programs:
                program.kill()
        elif not self._outcome.done():
            self._console.note(f"stopping ({signal.Signals(number).name})")
            self._outcome.set_result(128 + number)

    def _on_silence(self, problem: OSError) -> None:
        """Nobody can see the output any more, as with `| head`: end as other programs do."""
        if self._outcome.done():
            return
        if problem.errno == errno.EPIPE:
            self._outcome.set_result(_READER_GONE)
        else:
            self._outcome.set_exception(RunError(f"the output cannot be written: {problem.strerror}"))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever ends a part of the run with an error ends the run."""
        try:
            await work
        except Exception as problem:  # noqa: BLE001 - raised again by whoever waits for the outcome
            if not self._outcome.done():
                error = RunError(str(problem)) if isinstance(problem, OSError) else problem
                self._outcome.set_exception(error)

    async def _live(self, node: Node) -> None:
        """The life of one service: its datastores, its dependencies, itself."""
        await asyncio.gather(*(self._bring_up(node, start) for start in self._starts.get(node.name, [])))
        for dependency in self._awaited(node):
            await self._ready[dependency.name].wait()
        root = node is self._plan.root
        program = await self._start(node)
        if node.api is not None:
            await self._until_listening(program, self._plan.ports[node.name], self._readiness[node.name])
            self._ready[node.name].set()
            if root:
                place = self._plan.place(node)
                self._console.note(f"{node.name} is ready at {place['host']}:{place['port']}; press Ctrl-C to stop")
        else:
            self._ready[node.name].set()
        code = await program.ended()
        if root and node.api is None:
            if not self._outcome.done():
                self._outcome.set_result(code)
        elif node.api is not None or code != 0:
            raise self._ended(program, f"ended with exit code {code}")

    def _awaited(self, node: Node) -> list[Node]:
        """The dependencies that stand before a service in the order of starting; a cycle's last one does not wait."""
        order = {each: place for place, each in enumerate(self._plan.nodes)}
        before = [other for other in self._plan.nodes if order[other] < order[node]]
        if node is self._plan.root:
            return before
        return [other for other in before if other in node.dependencies.values()]

    async def _start(self, node: Node) -> Program:
        variables = self._plan.variables_for(node)
        return await self._spawn(node.name, command_of(node), cwd=node.folder, env=variables)

    async def _spawn(self, name: str, command: list[str], **options: Any) -> Program:
        try:
            program = await spawn(name, command, self._console.line, **options)
        except (OSError, ValueError) as problem:  # a ValueError is about a NUL in an argument or a variable
            told = getattr(problem, "strerror", None) or problem
            reason = f"{name}: {shlex.join(command)} cannot be started: {told}"
        else:
            self._programs.append(program)
            return program
        raise RunError(reason)

    async def _until_listening(self, program: Program, port: int, readiness: Readiness | None = None) -> None:
        """Wait until something listens on `port`, and says that it is ready where that can be asked.

        Raises:
            RunError: the program ended, or was not ready within the time-out.
        """
        lacks = f"does not listen on {LOCAL}:{port} ($HOST:$PORT)"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while program.exit_code is None:
                    if await _listens(port):
                        if readiness is None or await self._in_thread(readiness.is_ready, LOCAL, port):
                            return
                        lacks = f"listens on {LOCAL}:{port} and is not ready, says the plugin {readiness.protocol!r},"
                    await asyncio.sleep(_POLL_SECONDS)
        if program.exit_code is not None:
            code = await program.ended()
            raise self._ended(program, f"ended with exit code {code} before it listened on {LOCAL}:{port}")
        raise self._ended(program, f"{lacks} after {self._timeout:g} seconds (--timeout)")

    def _ended(self, program: Program, what: str) -> RunError:
        lines = self._console.last_lines(program.name)
        told = "".join(f"\n    {line}" for line in lines)
        return RunError(f"{program.name} {what}" + (f". Its last lines:{told}" if lines else ", and printed nothing"))

    async def _bring_up(self, node: Node, start: DatastoreStart) -> None:
        """Start the server of a datastore and note how to get in."""
        path = f"{node.name}/{start.key}"
        folder = self._temporary / path.replace("/", ".")  # names have no "."
        folder.mkdir(mode=0o711)
        port = self._datastore_ports[node.name, start.key]
        wanted = wanted_values(start.declared, start.override)
        provisioned = await self._in_thread(start.provision, wanted, folder, port)
        self._hide(provisioned.entry)
        if provisioned.command is not None:
            variables = self._plan.variables_for(node) | dict(provisioned.env)
            program = await self._spawn(
                path,
                list(provisioned.command),
                cwd=folder,
                env=variables,
                user=provisioned.user,
                stop_signal=provisioned.stop_signal,
            )
            await self._until_listening(program, port)
            await self._in_thread(start.prepare, provisioned)
            self._console.note(f"{path} is ready on {LOCAL}:{port}")
            self._watch(program)
        entry = with_parameters(start.declared, start.override, provisioned.entry)
        self._plan.datastores.setdefault(node.name, {})[start.key] = entry

    async def _in_thread(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call into a plugin, in a thread that a stopping run does not wait for."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def _hide(self, entry: Mapping[str, Any]) -> None:
        self._console.hide([entry.get("password"), *passwords_in(str(entry.get("url") or ""))])

    def _watch(self, program: Program) -> None:
        async def watch() -> None:
            code = await program.ended()
            raise self._ended(program, f"ended with exit code {code}")

        self._watchers.append(asyncio.create_task(self._guard(watch())))

    async def _stop_all(self) -> None:
        """In the reverse order of starting, so that nobody loses what it still needs."""
        for watcher in self._watchers:
            watcher.cancel()
        for program in reversed(self._programs):
            await program.stop()


def _hold_port(held: contextlib.ExitStack, port: int = 0, who: str = "") -> int:
    """Keep a port from being chosen again: the stated one, which must be free, or any."""
    try:
        listener = held.enter_context(socket.create_server((LOCAL, port)))
        return int(listener.getsockname()[1])
    except OSError as problem:
        reason = f"{who}: port {port} on {LOCAL} cannot be used: {os.strerror(problem.errno or 0)}"
    raise RunError(f"{reason}. Stop what listens there, or state another port in --config")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    # where nobody listens, the system may have given this end the very port that it looks for, connected to itself
    itself = writer.get_extra_info("sockname") == writer.get_extra_info("peername")
    writer.close()
    return not itself
