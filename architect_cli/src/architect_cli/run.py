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
from architect_cli.keeping import Parts
from architect_cli.masking import passwords_in, secrets_of
from architect_cli.output import Console, error_text
from architect_cli.overrides import Overrides, load_overrides
from architect_cli.part import Part, Start
from architect_cli.plan import LOCAL, Datastore, Plan, own_variables
from architect_cli.readiness import until_listening
from architect_cli.starting import Readiness, check, command_of, readiness_of
from architect_cli.tree import load_tree
from architect_core.contract import DatastoreProvisioner, Listener, Provisioned, mask_url
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from architect_cli.part import Kind
    from architect_cli.processes import Program
    from architect_cli.tree import Node

    Provision = Callable[[Path, int], Provisioned]

_ANSWER_SECONDS = 2.0  # for one call of a readiness probe
_READER_GONE = 128 + signal.SIGPIPE

Result = TypeVar("Result")


def run_system(
    folder: Path, config: Path | None, events: str | None, temporary: Path, timeout: float, *, fail_fast: bool = False
) -> int:
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
    run = Run(plan, plugins, console, provisioners, readiness, broker, beside, temporary, timeout, fail_fast)
    return asyncio.run(run.until_it_ends())


@dataclass(eq=False)
class Run:
    """Starts the parts of a system in order, and stops them all at its end."""

    plan: Plan
    plugins: Plugins
    console: Console
    provisioners: dict[Datastore, DatastoreProvisioner]
    readiness: dict[str, Readiness | None]
    broker: BrokerServer | None
    companions: dict[str, list[Companion]]
    temporary: Path
    timeout: float
    fail_fast: bool = False

    def __post_init__(self) -> None:
        self.parts = Parts(self.console, self.timeout, self._fail, fail_fast=self.fail_fast)
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._server_ports: dict[str, int] = {}
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
        self._add_parts()
        self.parts.begin()
        try:
            code = await self._outcome
        except ArchitectError as problem:
            self.console.error(error_text(problem))
            code = 1
        finally:
            self._stopping = True
            await self.parts.stop_all()
            self._threads.shutdown(wait=False, cancel_futures=True)
        return code

    def end(self, code: int) -> None:
        """End the run with this exit code, unless it ends already."""
        if not self._outcome.done():
            self._outcome.set_result(code)

    def _fail(self, problem: Exception) -> None:
        """End the run with an error, unless it ends already."""
        if not self._outcome.done():
            self._outcome.set_exception(RunError(str(problem)) if isinstance(problem, OSError) else problem)

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
            elif node.name in self.plan.ports:
                self.console.note(f"{node.name} ({node.api}) will listen on {LOCAL}:{self.plan.ports[node.name]}")

    def _on_signal(self, number: int) -> None:
        if self._stopping:  # a second signal
            self.parts.kill_all()
        elif not self._outcome.done():
            self.console.note(f"stopping ({signal.Signals(number).name})")
            self.end(128 + number)

    def _on_lost_output(self, problem: OSError) -> None:
        """End as other programs do if the output's reader is gone, as with `| head`."""
        if problem.errno == errno.EPIPE:
            self.end(_READER_GONE)
        else:
            self._fail(RunError(f"the output cannot be written: {problem.strerror}"))

    def _add_parts(self) -> None:
        if self.broker is not None:
            self._add_broker(self.broker)
        for node in self.plan.started:
            needs = [] if self.broker is None else [self.broker.label]
            stores = {each.path: each for each in self.provisioners if each.service == node.name}
            for datastore in stores.values():
                self._add_datastore(datastore, node)
            for migration in migrations(node):
                self._add_beside(migration, node, "migration", tuple(stores))
            needs += [*stores, *(each.name for each in migrations(node))]
            self._add_service(node, (*needs, *self._awaited(node)))
            for companion in self.companions[node.name]:
                self._add_beside(companion, node, "companion", (node.name,))

    def _awaited(self, node: Node) -> Iterator[str]:
        """The dependencies that come before a service in the order of starting; so a cycle's last one does not wait."""
        for each in self.plan.nodes[: self.plan.nodes.index(node)]:
            if self.plan.is_started(each) and (node is self.plan.root or each in node.dependencies.values()):
                yield each.name

    def _add_service(self, node: Node, needs: tuple[str, ...]) -> None:
        is_root = node is self.plan.root
        command, port = command_of(node), self.plan.ports.get(node.name)

        async def launch() -> Start:
            return Start(node.name, command or (), node.folder, self.plan.variables_for(node))

        is_script = port is None and command is not None
        part = Part(
            node.name,
            "service",
            launch,
            needs,
            wait=None if port is None else partial(self._until_ready, node.name, port),
            completes=is_script and not is_root,
            on_ready=partial(self._on_root_ready, node) if is_root else None,
            on_end=self.end if is_script and is_root else None,
            address=None if port is None else f"{LOCAL}:{port}",
        )
        self.parts.add(part)

    def _on_root_ready(self, root: Node) -> None:
        if root.api is not None:
            address = self.plan.address(root)
            self.console.note(f"{root.name} is ready at {address['host']}:{address['port']}; press Ctrl-C to stop")
        elif command_of(root) is None:
            self.console.note(f"{root.name} has no program of its own, only handlers of events; press Ctrl-C to stop")

    def _add_beside(self, companion: Companion, node: Node, kind: Kind, needs: tuple[str, ...]) -> None:
        """Add a process that runs in the folder and the environment of a service."""

        async def launch() -> Start:
            command = command_of_companion(companion)
            return Start(companion.name, command, node.folder, self.plan.variables_for(node))

        self.parts.add(Part(companion.name, kind, launch, needs, completes=kind == "migration"))

    def _add_datastore(self, datastore: Datastore, node: Node) -> None:
        provision = partial(self.provisioners[datastore].provision, datastore.wanted())

        def on_entry(entry: Mapping[str, Any]) -> None:
            self.plan.entries.setdefault(datastore.service, {})[datastore.key] = datastore.entry(entry)

        variables = partial(self.plan.variables_for, node)
        self._add_server("datastore", datastore.path, datastore.engine, datastore.label, provision, variables, on_entry)

    def _add_broker(self, broker: BrokerServer) -> None:
        provision = partial(broker.provisioner.provision, {})

        def on_entry(entry: Mapping[str, Any]) -> None:
            self.plan.events = as_variable(entry)

        self._add_server("broker", broker.label, broker.plugin, broker.label, provision, own_variables, on_entry)

    def _add_server(
        self,
        kind: Kind,
        name: str,
        plugin: str,
        label: str,
        provision: Provision,
        variables: Callable[[], Mapping[str, str]],
        on_entry: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Add a server that a plugin provides, whose entry is passed to `on_entry` once it is ready."""
        port = self._server_ports[name]
        provisioned: list[Provisioned] = []

        async def launch() -> Start:
            folder = self.temporary / name.replace("/", ".").replace(" ", ".")  # names have no "."
            if not provisioned:
                folder.mkdir(mode=0o711, exist_ok=True)
                provisioned.append(await self._ask(plugin, label, provision, folder, port))
            (made,) = provisioned
            self.console.hide([made.entry.get("password"), *passwords_in(str(made.entry.get("url") or ""))])
            part.keeps = made.keeps
            if made.command is None:
                on_entry(made.entry)
                return Start(name, (), folder, {})
            part.address = f"{LOCAL}:{port}"
            env = {**variables(), **made.env}
            return Start(name, made.command, folder, env, made.user, made.stop_signal)

        async def wait(program: Program) -> None:
            await until_listening(program, port, self.timeout, self.console)
            (made,) = provisioned
            if not part.was_ready.is_set():
                if made.prepare is not None:
                    await self._ask(plugin, label, made.prepare)
                self.console.note(f"{name} is ready on {LOCAL}:{port}")
                on_entry(made.entry)

        part = Part(name, kind, launch, wait=wait)
        self.parts.add(part)

    async def _until_ready(self, name: str, port: int, program: Program) -> None:
        readiness = self.readiness[name]
        if readiness is None:
            await until_listening(program, port, self.timeout, self.console)
            return
        listener, probe = Listener(name, LOCAL, port, readiness.options), readiness.probe.is_ready
        ask = partial(self._ask, readiness.protocol, f"the readiness of {name}", probe, listener, _ANSWER_SECONDS)
        await until_listening(program, port, self.timeout, self.console, ask, readiness.protocol)

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
