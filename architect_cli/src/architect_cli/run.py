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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from architect_cli.install import install_stubs
from architect_cli.masking import passwords_in, secrets_of
from architect_cli.output import Console, error_text
from architect_cli.overrides import Overrides, load_overrides
from architect_cli.plan import LOCAL, Datastore, Plan
from architect_cli.processes import Program, spawn
from architect_cli.starting import Readiness, check, command_of, readiness_of
from architect_cli.tree import load_tree
from architect_core.contract import DatastoreProvisioner, Listener, mask_url
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from architect_cli.tree import Node

_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 2.0  # for one call of a readiness probe
_READER_GONE = 128 + signal.SIGPIPE

Result = TypeVar("Result")


def run_system(folder: Path, config: Path | None, temporary: Path, timeout: float) -> int:
    """Run the service in `folder`, with the overrides in `config`; returns the exit code.

    Each program must listen within `timeout` seconds. The caller removes the folder `temporary` after the run.
    Raises ArchitectError if something is wrong before anything is started.
    """
    nodes = load_tree(folder)
    plan = Plan(nodes, load_overrides(config, nodes) if config else Overrides())
    console = Console([node.name for node in plan.started])
    console.hide(secrets_of(plan))
    plugins = Plugins()
    provisioners = check(plan, plugins)
    readiness = {node.name: readiness_of(node, plugins) for node in plan.started}
    for node in plan.started:
        done = install_stubs(node, plugins)
        if done.generated:
            console.note(f"stubs of {', '.join(done.generated)} generated for {node.name}")
        for note in done.notes:
            console.note(f"{node.name}: {note}")
    return asyncio.run(Run(plan, plugins, console, provisioners, readiness, temporary, timeout).until_it_ends())


@dataclass(eq=False)
class Run:
    """Starts what is needed in order, and stops everything when the first part ends."""

    plan: Plan
    plugins: Plugins
    console: Console
    provisioners: dict[Datastore, DatastoreProvisioner]
    readiness: dict[str, Readiness | None]
    temporary: Path
    timeout: float

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._server_ports: dict[str, int] = {}
        self._programs: list[Program] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = {node.name: asyncio.Event() for node in self.plan.nodes}
        self._stopping = False

    async def until_it_ends(self) -> int:
        """Start everything, wait for the first end or signal, stop everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[int] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        self.console.on_failure = self._on_lost_output
        self._choose_ports()
        self._announce()
        for node in self.plan.started:
            self._begin(self._live(node))
        try:
            code = await self._outcome
        except ArchitectError as problem:
            self.console.error(error_text(problem))
            code = 1
        finally:
            self._stopping = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for program in reversed(self._programs):
                await program.stop()
            self._threads.shutdown(wait=False, cancel_futures=True)
        return code

    def _choose_ports(self) -> None:
        """Choose all ports at once, so that no two are the same; raises RunError if a stated one is taken."""
        services = {
            node.name: self.plan.overrides.of(node.name).port for node in self.plan.started if node.api is not None
        }
        servers = {datastore.path: datastore.override.port for datastore in self.provisioners}
        owners: dict[int, str] = {}
        with contextlib.ExitStack() as held:
            for name, port in {**services, **servers}.items():
                if port is not None:
                    other = owners.setdefault(port, name)
                    if other != name:
                        raise RunError(f"{other} and {name} are both to listen on port {port}. Change one in --config")
                    _hold_port(held, port, name)
            self.plan.ports |= {name: port or _hold_port(held) for name, port in services.items()}
            self._server_ports |= {name: port or _hold_port(held) for name, port in servers.items()}

    def _announce(self) -> None:
        for node in self.plan.nodes:
            if not self.plan.is_started(node):
                host = mask_url(str(self.plan.overrides.of(node.name).host))
                self.console.note(f"{node.name} is used where it is: {host}")
                self._ready[node.name].set()
            elif node.name in self.plan.ports:
                self.console.note(f"{node.name} ({node.api}) will listen on {LOCAL}:{self.plan.ports[node.name]}")

    def _on_signal(self, number: int) -> None:
        if self._stopping:  # a second signal
            for program in self._programs:
                program.kill()
        elif not self._outcome.done():
            self.console.note(f"stopping ({signal.Signals(number).name})")
            self._outcome.set_result(128 + number)

    def _on_lost_output(self, problem: OSError) -> None:
        """End as other programs do if the output's reader is gone, as with `| head`."""
        if self._outcome.done():
            return
        if problem.errno == errno.EPIPE:
            self._outcome.set_result(_READER_GONE)
        else:
            self._outcome.set_exception(RunError(f"the output cannot be written: {problem.strerror}"))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guard(work)))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Do a part of the run; its exception ends the run."""
        try:
            await work
        except Exception as problem:  # noqa: BLE001 - raised where the outcome is awaited
            if not self._outcome.done():
                self._outcome.set_exception(RunError(str(problem)) if isinstance(problem, OSError) else problem)

    async def _live(self, node: Node) -> None:
        """Start a service after what it needs, and wait for its end."""
        await asyncio.gather(*(self._bring_up(each, node) for each in self.provisioners if each.service == node.name))
        for dependency in self._awaited(node):
            await self._ready[dependency.name].wait()
        is_root = node is self.plan.root
        program = await self._spawn(node.name, command_of(node), cwd=node.folder, env=self.plan.variables_for(node))
        if node.api is not None:
            await self._until_listening(program, self.plan.ports[node.name], self.readiness[node.name])
            if is_root:
                address = self.plan.address(node)
                self.console.note(f"{node.name} is ready at {address['host']}:{address['port']}; press Ctrl-C to stop")
        self._ready[node.name].set()
        code = await program.ended()
        if is_root and node.api is None:
            if not self._outcome.done():
                self._outcome.set_result(code)
        elif node.api is not None or code != 0:
            raise self._ended(program, f"ended with exit code {code}")

    def _awaited(self, node: Node) -> list[Node]:
        """The dependencies that come before a service in the order of starting; so a cycle's last one does not wait."""
        before = self.plan.nodes[: self.plan.nodes.index(node)]
        return before if node is self.plan.root else [each for each in before if each in node.dependencies.values()]

    async def _spawn(self, name: str, command: list[str], **options: Any) -> Program:
        try:
            program = await spawn(name, command, self.console.line, **options)
        except (OSError, ValueError) as problem:  # a ValueError is about a NUL in an argument or a variable
            reason = getattr(problem, "strerror", None) or problem
            raise RunError(f"{name}: {shlex.join(command)} cannot be started: {reason}") from problem
        self._programs.append(program)
        return program

    async def _until_listening(self, program: Program, port: int, readiness: Readiness | None = None) -> None:
        """Wait until the program listens on `port` and is ready; raises RunError if it ends or is too slow."""
        state = f"does not listen on {LOCAL}:{port} ($HOST:$PORT)"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                while program.exit_code is None:
                    if await _listens(port):
                        if readiness is None or await self._is_ready(program.name, port, readiness):
                            return
                        state = f"listens on {LOCAL}:{port} and is not ready, says the plugin {readiness.protocol!r},"
                    await asyncio.sleep(_POLL_SECONDS)
        if program.exit_code is not None:
            code = await program.ended()
            raise self._ended(program, f"ended with exit code {code} before it listened on {LOCAL}:{port}")
        raise self._ended(program, f"{state} after {self.timeout:g} seconds (--timeout)")

    def _ended(self, program: Program, what: str) -> RunError:
        lines = self.console.last_lines(program.name)
        text = "".join(f"\n    {line}" for line in lines)
        return RunError(f"{program.name} {what}" + (f". Its last lines:{text}" if lines else ", and printed nothing"))

    async def _bring_up(self, datastore: Datastore, node: Node) -> None:
        """Start the server of a service's datastore and add its entry to the plan."""
        name = datastore.path
        folder = self.temporary / name.replace("/", ".")  # names have no "."
        folder.mkdir(mode=0o711)
        port = self._server_ports[name]
        provision = self.provisioners[datastore].provision
        provisioned = await self._ask(datastore.engine, datastore.label, provision, datastore.wanted(), folder, port)
        entry = provisioned.entry
        self.console.hide([entry.get("password"), *passwords_in(str(entry.get("url") or ""))])
        if provisioned.command is not None:
            program = await self._spawn(
                name,
                list(provisioned.command),
                cwd=folder,
                env=self.plan.variables_for(node) | dict(provisioned.env),
                user=provisioned.user,
                stop_signal=provisioned.stop_signal,
            )
            await self._until_listening(program, port)
            if provisioned.prepare is not None:
                await self._ask(datastore.engine, datastore.label, provisioned.prepare)
            self.console.note(f"{name} is ready on {LOCAL}:{port}")
            self._begin(self._watch(program))
        self.plan.entries.setdefault(datastore.service, {})[datastore.key] = datastore.entry(entry)

    async def _is_ready(self, name: str, port: int, readiness: Readiness) -> bool:
        listener = Listener(name, LOCAL, port, readiness.options)
        probe = readiness.probe.is_ready
        return await self._ask(readiness.protocol, f"the readiness of {name}", probe, listener, _ANSWER_SECONDS)

    async def _ask(self, plugin: str, asked_by: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call a plugin in a thread that the end of the run does not wait for."""
        blamed = self.plugins.blamed(plugin, asked_by)(call)
        return await asyncio.get_running_loop().run_in_executor(self._threads, blamed, *arguments)

    async def _watch(self, program: Program) -> None:
        code = await program.ended()
        raise self._ended(program, f"ended with exit code {code}")


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
