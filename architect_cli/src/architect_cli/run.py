"""A run: a service with all that it depends on, started, watched and stopped together."""

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

from architect_cli.environment import LOCAL, Plan
from architect_cli.install import install_stubs
from architect_cli.masking import passwords_in, secrets_of
from architect_cli.output import Console, error_text
from architect_cli.overrides import Overrides, load_overrides
from architect_cli.processes import Program, spawn
from architect_cli.starting import Readiness, check, command_of, readiness_of
from architect_cli.tree import load_tree
from architect_core.contract import mask_url
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from architect_cli.datastores import Server
    from architect_cli.tree import Node

_POLL_SECONDS = 0.02
_READER_GONE = 128 + signal.SIGPIPE

Result = TypeVar("Result")


def run_system(folder: Path, config: Path | None, temporary: Path, timeout: float) -> int:
    """Run the service in `folder`; returns the exit code.

    Args:
        folder: the folder of the service's architect.json.
        config: a file with overrides.
        temporary: an empty folder that is removed after the run.
        timeout: seconds until each program must listen.

    Raises:
        ArchitectError: something is wrong before anything is started.
    """
    nodes = load_tree(folder)
    plan = Plan(nodes, load_overrides(config, nodes) if config else Overrides())
    console = Console([node.name for node in plan.started])
    console.hide(secrets_of(plan))
    plugins = Plugins()
    servers = check(plan, plugins)
    readiness = {node.name: readiness_of(node, plugins) for node in plan.started}
    for node in plan.started:
        done = install_stubs(node, plugins)
        if done.generated:
            console.note(f"stubs of {', '.join(done.generated)} generated for {node.name}")
        for note in done.notes:
            console.note(f"{node.name}: {note}")
    return asyncio.run(Run(plan, console, servers, readiness, temporary, timeout).until_it_ends())


class Run:
    """Starts what is needed in order, and stops everything when the first part ends."""

    def __init__(
        self,
        plan: Plan,
        console: Console,
        servers: dict[str, list[Server]],
        readiness: dict[str, Readiness | None],
        temporary: Path,
        timeout: float,
    ) -> None:
        self._plan = plan
        self._console = console
        self._servers = servers
        self._readiness = readiness
        self._temporary = temporary
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._server_ports: dict[str, int] = {}
        self._programs: list[Program] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._ready = {node.name: asyncio.Event() for node in plan.nodes}
        self._stopping = False

    async def until_it_ends(self) -> int:
        """Start everything, wait for the first end or signal, stop everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[int] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        self._console.on_failure = self._on_lost_output
        self._choose_ports()
        self._announce()
        tasks = [asyncio.create_task(self._guard(self._live(node))) for node in self._plan.started]
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

    def _choose_ports(self) -> None:
        """Choose all ports at once, the stated ones first, so that no two are the same.

        Raises:
            RunError: a stated port is taken.
        """
        services = {
            node.name: self._plan.overrides.of(node.name).port for node in self._plan.started if node.api is not None
        }
        servers = {_label(server): server.datastore.override.port for each in self._servers.values() for server in each}
        owners: dict[int, str] = {}
        with contextlib.ExitStack() as held:
            for name, port in {**services, **servers}.items():
                if port is not None:
                    other = owners.setdefault(port, name)
                    if other != name:
                        raise RunError(f"{other} and {name} are both to listen on port {port}. Change one in --config")
                    _hold_port(held, port, name)
            self._plan.ports |= {name: port or _hold_port(held) for name, port in services.items()}
            self._server_ports |= {name: port or _hold_port(held) for name, port in servers.items()}

    def _announce(self) -> None:
        for node in self._plan.nodes:
            if not self._plan.is_started(node):
                host = mask_url(str(self._plan.overrides.of(node.name).host))
                self._console.note(f"{node.name} is used where it is: {host}")
                self._ready[node.name].set()
            elif node.name in self._plan.ports:
                self._console.note(f"{node.name} ({node.api}) will listen on {LOCAL}:{self._plan.ports[node.name]}")

    def _on_signal(self, number: int) -> None:
        if self._stopping:  # a second signal
            for program in self._programs:
                program.kill()
        elif not self._outcome.done():
            self._console.note(f"stopping ({signal.Signals(number).name})")
            self._outcome.set_result(128 + number)

    def _on_lost_output(self, problem: OSError) -> None:
        """End as other programs do if the output's reader is gone, as with `| head`."""
        if self._outcome.done():
            return
        if problem.errno == errno.EPIPE:
            self._outcome.set_result(_READER_GONE)
        else:
            self._outcome.set_exception(RunError(f"the output cannot be written: {problem.strerror}"))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a part of the run; its exception ends the run."""
        try:
            await work
        except Exception as problem:  # noqa: BLE001 - raised where the outcome is awaited
            if not self._outcome.done():
                self._outcome.set_exception(RunError(str(problem)) if isinstance(problem, OSError) else problem)

    async def _live(self, node: Node) -> None:
        """Start a service after what it needs, and wait for its end."""
        await asyncio.gather(*(self._bring_up(server) for server in self._servers.get(node.name, [])))
        for dependency in self._awaited(node):
            await self._ready[dependency.name].wait()
        is_root = node is self._plan.root
        program = await self._spawn(node.name, command_of(node), cwd=node.folder, env=self._plan.variables_for(node))
        if node.api is not None:
            await self._until_listening(program, self._plan.ports[node.name], self._readiness[node.name])
            if is_root:
                address = self._plan.address(node)
                self._console.note(f"{node.name} is ready at {address['host']}:{address['port']}; press Ctrl-C to stop")
        self._ready[node.name].set()
        code = await program.ended()
        if is_root and node.api is None:
            if not self._outcome.done():
                self._outcome.set_result(code)
        elif node.api is not None or code != 0:
            raise self._ended(program, f"ended with exit code {code}")

    def _awaited(self, node: Node) -> list[Node]:
        """The dependencies that come before a service in the order of starting; so a cycle's last one does not wait."""
        before = self._plan.nodes[: self._plan.nodes.index(node)]
        return before if node is self._plan.root else [each for each in before if each in node.dependencies.values()]

    async def _spawn(self, name: str, command: list[str], **options: Any) -> Program:
        try:
            program = await spawn(name, command, self._console.line, **options)
        except (OSError, ValueError) as problem:  # a ValueError is about a NUL in an argument or a variable
            reason = getattr(problem, "strerror", None) or problem
            raise RunError(f"{name}: {shlex.join(command)} cannot be started: {reason}") from problem
        self._programs.append(program)
        return program

    async def _until_listening(self, program: Program, port: int, readiness: Readiness | None = None) -> None:
        """Wait until something listens on `port`, and is ready if there is a probe.

        Raises:
            RunError: the program ended, or was not ready within the time-out.
        """
        state = f"does not listen on {LOCAL}:{port} ($HOST:$PORT)"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while program.exit_code is None:
                    if await _listens(port):
                        if readiness is None or await self._in_thread(readiness.is_ready, LOCAL, port):
                            return
                        state = f"listens on {LOCAL}:{port} and is not ready, says the plugin {readiness.protocol!r},"
                    await asyncio.sleep(_POLL_SECONDS)
        if program.exit_code is not None:
            code = await program.ended()
            raise self._ended(program, f"ended with exit code {code} before it listened on {LOCAL}:{port}")
        raise self._ended(program, f"{state} after {self._timeout:g} seconds (--timeout)")

    def _ended(self, program: Program, what: str) -> RunError:
        lines = self._console.last_lines(program.name)
        text = "".join(f"\n    {line}" for line in lines)
        return RunError(f"{program.name} {what}" + (f". Its last lines:{text}" if lines else ", and printed nothing"))

    async def _bring_up(self, server: Server) -> None:
        """Start the server of a datastore and add its entry to the plan."""
        datastore, name = server.datastore, _label(server)
        folder = self._temporary / datastore.path.replace("/", ".")  # names have no "."
        folder.mkdir(mode=0o711)
        port = self._server_ports[name]
        provisioned = await self._in_thread(server.provision, folder, port)
        entry = provisioned.entry
        self._console.hide([entry.get("password"), *passwords_in(str(entry.get("url") or ""))])
        if provisioned.command is not None:
            node = next(each for each in self._plan.nodes if each.name == datastore.service)
            program = await self._spawn(
                name,
                list(provisioned.command),
                cwd=folder,
                env=self._plan.variables_for(node) | dict(provisioned.env),
                user=provisioned.user,
                stop_signal=provisioned.stop_signal,
            )
            await self._until_listening(program, port)
            await self._in_thread(server.prepare, provisioned)
            self._console.note(f"{name} is ready on {LOCAL}:{port}")
            self._watchers.append(asyncio.create_task(self._guard(self._watch(program))))
        self._plan.entries.setdefault(datastore.service, {})[datastore.key] = datastore.entry(entry)

    async def _in_thread(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call a plugin in a thread that the end of the run does not wait for."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    async def _watch(self, program: Program) -> None:
        code = await program.ended()
        raise self._ended(program, f"ended with exit code {code}")

    async def _stop_all(self) -> None:
        """Stop all programs in the reverse order of starting."""
        for watcher in self._watchers:
            watcher.cancel()
        for program in reversed(self._programs):
            await program.stop()


def _label(server: Server) -> str:
    """What the output calls a datastore's server: `service/datastore`."""
    return f"{server.datastore.service}/{server.datastore.key}"


def _hold_port(held: contextlib.ExitStack, port: int = 0, name: str = "") -> int:
    """Bind a port, the stated one or any, so that it is not chosen again."""
    try:
        listener = held.enter_context(socket.create_server((LOCAL, port)))
    except OSError as problem:
        raise RunError(
            f"{name}: port {port} on {LOCAL} cannot be used: {os.strerror(problem.errno or 0)}. Stop what listens "
            "there, or state another port in --config"
        ) from problem
    return int(listener.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCAL, port)
    except OSError:
        return False
    # if nothing listens, the system may give this end the very port that it connects to: it is connected to itself
    itself = writer.get_extra_info("sockname") == writer.get_extra_info("peername")
    writer.close()
    return not itself
