"""A run: a service with all that it depends on, started, watched and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from architect_cli.events import (
    BrokerServer,
    Companion,
    as_variable,
    check_commands,
    choose_broker,
    command_of_companion,
    companions,
    migrations,
    secrets_in,
)
from architect_cli.install import install_stubs
from architect_cli.keeping import Programs, Start
from architect_cli.masking import passwords_in, secrets_of
from architect_cli.output import Console, error_text
from architect_cli.overrides import Overrides, load_overrides
from architect_cli.plan import LOCAL, Datastore, Plan, own_variables
from architect_cli.starting import Readiness, check, command_of, readiness_of
from architect_cli.tree import load_tree
from architect_core.contract import DatastoreProvisioner, Listener, Provisioned, mask_url
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from architect_cli.processes import Program
    from architect_cli.tree import Node

    Provision = Callable[[Path, int], Provisioned]

_ANSWER_SECONDS = 2.0  # for one call of a readiness probe
_READER_GONE = 128 + signal.SIGPIPE

Result = TypeVar("Result")


def run_system(folder: Path, config: Path | None, events: str | None, temporary: Path, timeout: float) -> int:
    """Run the service in `folder`, with the overrides in `config` and the broker `events`; returns the exit code.

    Each program must listen within `timeout` seconds. The caller removes the folder `temporary` after the run.
    Raises ArchitectError if something is wrong before anything is started.
    """
    nodes = load_tree(folder)
    plan = Plan(nodes, load_overrides(config, nodes) if config else Overrides())
    plugins = Plugins()
    broker = choose_broker(events, plan, plugins)
    beside = {}
    for node in plan.started:
        beside[node.name] = companions(node, plan, with_broker=bool(broker or plan.events))
        check_commands(node, [*migrations(node), *beside[node.name]], plugins)
    console = Console([*(node.name for node in plan.started), *(each.name for of in beside.values() for each in of)])
    console.hide(secrets_of(plan))
    console.hide(secrets_in(plan.events or ""))
    provisioners = check(plan, plugins)
    readiness = {node.name: readiness_of(node, plugins) for node in plan.started}
    for node in plan.started:
        done = install_stubs(node, plugins)
        if done.generated:
            console.note(f"stubs of {', '.join(done.generated)} generated for {node.name}")
        for note in done.notes:
            console.note(f"{node.name}: {note}")
    run = Run(plan, plugins, console, provisioners, readiness, broker, beside, temporary, timeout)
    return asyncio.run(run.until_it_ends())


@dataclass(eq=False)
class Run:
    """Starts what is needed in order, and stops everything when the first part ends."""

    plan: Plan
    plugins: Plugins
    console: Console
    provisioners: dict[Datastore, DatastoreProvisioner]
    readiness: dict[str, Readiness | None]
    broker: BrokerServer | None
    companions: dict[str, list[Companion]]
    temporary: Path
    timeout: float

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._server_ports: dict[str, int] = {}
        self._programs = Programs(self.console, self.timeout)
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = {node.name: asyncio.Event() for node in self.plan.nodes}
        self._carries = asyncio.Event()  # whether the broker is ready, or none is to be started
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
        self._begin(self._bring_up_broker())
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
            await self._programs.stop()
            self._threads.shutdown(wait=False, cancel_futures=True)
        return code

    def _choose_ports(self) -> None:
        """Choose all ports at once, so that no two are the same; raises RunError if a stated one is taken."""
        services = {
            node.name: self.plan.overrides.of(node.name).port for node in self.plan.started if node.api is not None
        }
        servers = {datastore.path: datastore.override.port for datastore in self.provisioners}
        servers |= {} if self.broker is None else {self.broker.label: None}
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
            self._programs.kill()
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
        for migration in migrations(node):
            await self._programs.complete(self._start_of(migration, node))
        await self._carries.wait()
        for dependency in self._awaited(node):
            await self._ready[dependency.name].wait()
        command = command_of(node)
        if command is None:
            if node is self.plan.root:
                self.console.note(
                    f"{node.name} has no program of its own, only handlers of events; press Ctrl-C to stop"
                )
            self._on_ready(node)
            return
        start = Start(node.name, command, node.folder, self.plan.variables_for(node))
        if node.api is not None:
            wait = partial(self._until_ready, node.name, self.plan.ports[node.name])
            await self._programs.keep(start, wait, partial(self._on_ready, node))
            return
        program = await self._programs.start(start)
        self._on_ready(node)
        code = await program.ended()
        if node is self.plan.root:
            if not self._outcome.done():
                self._outcome.set_result(code)
        elif code != 0:
            raise self._programs.ended(program)

    def _on_ready(self, node: Node) -> None:
        """Let the services that depend on this one start, and start what runs beside it."""
        if node is self.plan.root and node.api is not None:
            address = self.plan.address(node)
            self.console.note(f"{node.name} is ready at {address['host']}:{address['port']}; press Ctrl-C to stop")
        self._ready[node.name].set()
        for each in self.companions[node.name]:
            self._begin(self._programs.keep(self._start_of(each, node)))

    def _start_of(self, companion: Companion, node: Node) -> Start:
        command = command_of_companion(companion)
        return Start(companion.name, command, node.folder, self.plan.variables_for(node))

    def _awaited(self, node: Node) -> list[Node]:
        """The dependencies that come before a service in the order of starting; so a cycle's last one does not wait."""
        before = self.plan.nodes[: self.plan.nodes.index(node)]
        return before if node is self.plan.root else [each for each in before if each in node.dependencies.values()]

    async def _bring_up(self, datastore: Datastore, node: Node) -> None:
        """Start the server of a service's datastore and add its entry to the plan."""
        provision = partial(self.provisioners[datastore].provision, datastore.wanted())
        variables = self.plan.variables_for(node)
        entry = await self._serve(datastore.path, datastore.engine, datastore.label, provision, variables)
        self.plan.entries.setdefault(datastore.service, {})[datastore.key] = datastore.entry(entry)

    async def _bring_up_broker(self) -> None:
        """Start the broker of the run, if it has one of its own, and add it to the plan."""
        if self.broker is not None:
            name, provision = self.broker.label, partial(self.broker.provisioner.provision, {})
            entry = await self._serve(name, self.broker.plugin, name, provision, own_variables())
            self.plan.events = as_variable(entry)
        self._carries.set()

    async def _serve(
        self, name: str, plugin: str, label: str, provision: Provision, variables: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Start a server that a plugin provides, and return its entry once it is ready."""
        folder = self.temporary / name.replace("/", ".").replace(" ", ".")  # names have no "."
        folder.mkdir(mode=0o711)
        port = self._server_ports[name]
        provisioned = await self._ask(plugin, label, provision, folder, port)
        entry = provisioned.entry
        self.console.hide([entry.get("password"), *passwords_in(str(entry.get("url") or ""))])
        if provisioned.command is not None:
            env = {**variables, **provisioned.env}
            start = Start(name, provisioned.command, folder, env, provisioned.user, provisioned.stop_signal)
            ready = asyncio.Event()
            self._begin(
                self._programs.keep(start, partial(self._until_listening, port), ready.set, again=provisioned.keeps)
            )
            await ready.wait()
            if provisioned.prepare is not None:
                await self._ask(plugin, label, provisioned.prepare)
            self.console.note(f"{name} is ready on {LOCAL}:{port}")
        return entry

    async def _until_listening(self, port: int, program: Program) -> None:
        await self._programs.until_listening(program, port)

    async def _until_ready(self, name: str, port: int, program: Program) -> None:
        readiness = self.readiness[name]
        if readiness is None:
            await self._programs.until_listening(program, port)
            return
        listener, probe = Listener(name, LOCAL, port, readiness.options), readiness.probe.is_ready
        ask = partial(self._ask, readiness.protocol, f"the readiness of {name}", probe, listener, _ANSWER_SECONDS)
        await self._programs.until_listening(program, port, ask, readiness.protocol)

    async def _ask(self, plugin: str, asked_by: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Call a plugin in a thread that the end of the run does not wait for."""
        blamed = self.plugins.blamed(plugin, asked_by)(call)
        return await asyncio.get_running_loop().run_in_executor(self._threads, blamed, *arguments)


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
