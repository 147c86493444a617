"""The parts of a run: what the services of a plan, their servers and the processes beside them are made of."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from architect_cli.output.masking import passwords_in
from architect_cli.parts.events import BrokerServer, Companion, as_variable, command_of_companion, migrations
from architect_cli.parts.part import Part, Start
from architect_cli.parts.readiness import until_listening
from architect_cli.parts.starting import Readiness, command_of
from architect_cli.planning.environment import own_variables
from architect_cli.planning.plan import LOCAL, Datastore, Plan
from architect_cli.planning.ports import choose_ports
from architect_core.contract import DatastoreProvisioner, Listener, Provisioned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from architect_cli.output.console import Console
    from architect_cli.parts.kept import Kept
    from architect_cli.parts.part import Kind
    from architect_cli.planning.tree import Node
    from architect_cli.process.program import Program
    from architect_core.plugins import Plugins

_ANSWER_SECONDS = 2.0  # for one call of a readiness probe

Result = TypeVar("Result")


@dataclass(frozen=True)
class Server:
    """A server of a run, the plugin that provides it, and the login that it is made with."""

    kind: Kind
    name: str
    plugin: str
    label: str
    provisioner: DatastoreProvisioner = field(repr=False)
    wanted: Mapping[str, str] = field(repr=False)

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return self.name.replace("/", ".").replace(" ", ".")  # names have no "."


@dataclass(eq=False)
class System:
    """What a run starts, after everything that can be checked was checked.

    Attributes:
        plan: its services and their environments.
        provisioners: the datastores to start, and the plugins that start them.
        readiness: the probes of services.
        broker: the broker to start.
        companions: what runs beside each service.
        without: the parts that are not started, but by the user.
        kept: what is kept of earlier runs and for later ones.
        keep: whether the data of servers are.
        temporary: the folder of the run.
        timeout: how many seconds a part may take until it is ready.
        how_to_stop: what the user does to end the run.
    """

    plan: Plan
    plugins: Plugins
    console: Console
    provisioners: dict[Datastore, DatastoreProvisioner]
    readiness: dict[str, Readiness | None]
    broker: BrokerServer | None
    companions: dict[str, list[Companion]]
    without: frozenset[str]
    kept: Kept
    keep: bool
    temporary: Path
    timeout: float
    how_to_stop: str = "press Ctrl-C to stop"

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="plugin")
        self._server_ports: dict[str, int] = {}

    def close(self) -> None:
        """Wait for no plugin that is busy."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def choose_ports(self) -> None:
        """Choose all ports at once, so that no two are the same; raises RunError if a stated one is taken."""
        services = {
            node.name: self.plan.overrides.of(node.name).port for node in self.plan.started if node.api is not None
        }
        servers = {datastore.path: datastore.override.port for datastore in self.provisioners}
        servers |= {} if self.broker is None else {self.broker.label: None}
        declared = {
            node.name: node.manifest.port for node in self.plan.started if "port" in node.manifest.model_fields_set
        }
        former = self.kept.ports
        chosen = choose_ports({**services, **servers}, declared, former, self.console.note)
        self.plan.ports |= {name: chosen[name] for name in services}
        self._server_ports |= {name: chosen[name] for name in servers}
        former |= {**self.plan.ports, **self._server_ports}
        self.kept.save()

    def parts(self, on_root_end: Callable[[Node, int], None]) -> Iterator[Part]:
        """All parts; `on_root_end` is called with the exit code of a root that is a script."""
        if self.broker is not None:
            yield self._broker(self.broker)
        for node in self.plan.started:
            stores = {each.path: each for each in self.provisioners if each.service == node.name}
            for datastore in stores.values():
                yield self._datastore(datastore, node)
            for migration in migrations(node):
                yield self._beside(migration, node, "migration", tuple(stores))
            needs = [*stores, *(each.name for each in migrations(node)), *self._awaited(node)]
            if self.broker is not None:
                needs.append(self.broker.label)
            yield self._service(node, tuple(needs), on_root_end)
            for companion in self.companions[node.name]:
                yield self._beside(companion, node, "companion", (node.name,))

    def _awaited(self, node: Node) -> Iterator[str]:
        """The dependencies that come before a service in the order of starting; so a cycle's last one does not wait.

        A root waits for all that it depends on indirectly, too.
        """
        before = self.plan.nodes[: self.plan.nodes.index(node)]
        dependencies = node.closure() if node in self.plan.roots else list(node.dependencies.values())
        return (each.name for each in before if each in dependencies and self.plan.is_started(each))

    def _service(self, node: Node, needs: tuple[str, ...], on_root_end: Callable[[Node, int], None]) -> Part:
        is_root = node in self.plan.roots
        command, port = command_of(node), self.plan.ports.get(node.name)

        async def launch() -> Start:
            variables = self.plan.variables_for(node)
            return Start(node.name, command or (), node.folder, variables, takes_input=port is not None)

        is_script = port is None and command is not None
        return Part(
            node.name,
            "service",
            launch,
            needs,
            wait=None if port is None else partial(self._until_ready, node.name, port),
            completes=is_script and (not is_root or any(node.name in self._awaited(each) for each in self.plan.nodes)),
            on_ready=partial(self._on_root_ready, node) if is_root else None,
            on_end=partial(on_root_end, node) if is_script and is_root else None,
            address=None if port is None else f"{LOCAL}:{port}",
            absent=node.name in self.without,
            made_of=None if command is None else node.name,
        )

    def _on_root_ready(self, root: Node) -> None:
        if root.name in self.without:
            return
        if root.api is not None:
            address = self.plan.address(root)
            self.console.note(f"{root.name} is ready at {address['host']}:{address['port']}; {self.how_to_stop}")
        elif command_of(root) is None:
            self.console.note(f"{root.name} has no program of its own, only handlers of events; {self.how_to_stop}")

    def _beside(self, companion: Companion, node: Node, kind: Kind, needs: tuple[str, ...]) -> Part:
        """A process that runs in the folder and the environment of a service."""

        async def launch() -> Start:
            command = command_of_companion(companion)
            variables = self.plan.variables_for(node)
            return Start(companion.name, command, node.folder, variables, takes_input=kind == "companion")

        part = Part(companion.name, kind, launch, needs, completes=kind == "migration")
        part.absent = companion.name in self.without
        part.made_of = node.name if companion.has_handlers else None
        return part

    def _datastore(self, datastore: Datastore, node: Node) -> Part:
        provisioner, wanted = self.provisioners[datastore], datastore.wanted()

        def on_entry(entry: Mapping[str, Any]) -> None:
            self.plan.entries.setdefault(datastore.service, {})[datastore.key] = datastore.entry(entry)

        server = Server("datastore", datastore.path, datastore.engine, datastore.label, provisioner, wanted)
        return self._server(server, partial(self.plan.variables_for, node), on_entry)

    def _broker(self, broker: BrokerServer) -> Part:
        def on_entry(entry: Mapping[str, Any]) -> None:
            self.plan.events = as_variable(entry)

        server = Server("broker", broker.label, broker.plugin, broker.label, broker.provisioner, {})
        return self._server(server, own_variables, on_entry)

    def _server(
        self, server: Server, variables: Callable[[], Mapping[str, str]], on_entry: Callable[[Mapping[str, Any]], None]
    ) -> Part:
        """A server that a plugin provides, whose entry is passed to `on_entry` once it is ready."""
        name, port = server.name, self._server_ports[server.name]
        provisioned: list[tuple[Provisioned, Path]] = []

        async def launch() -> Start:
            if not provisioned:
                provisioned.append(await self._provision(server, port))
            ((made, folder),) = provisioned
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
            ((made, _),) = provisioned
            if not part.was_ready.is_set():
                if made.prepare is not None:
                    await self._ask(server.plugin, server.label, made.prepare)
                self.console.note(f"{name} is ready on {LOCAL}:{port}")
                on_entry(made.entry)

        part = Part(name, server.kind, launch, wait=wait)
        return part

    async def _provision(self, server: Server, port: int) -> tuple[Provisioned, Path]:
        """Have a plugin create the data of a server, or use those that are kept; returns their folder, too."""
        wanted = server.wanted
        if "password" not in wanted and server.name in self.kept.passwords:
            wanted = {**wanted, "password": self.kept.passwords[server.name]}
            self.console.hide([wanted["password"]])
        ask = partial(self._ask, server.plugin, server.label)
        made = None
        folder = self.kept.data_folder(f"{server.folder}.{server.plugin}") if self.keep else None
        if folder is not None:
            made = await ask(server.provisioner.provision_kept, wanted, folder, port)
            if made is None:
                folder.rmdir()
        if made is None or folder is None:
            if self.keep:
                self.console.note(f"{server.label}: its data are not kept")
            folder = self.temporary / server.folder
            folder.mkdir(mode=0o711, exist_ok=True)
            made = await ask(server.provisioner.provision, wanted, folder, port)
        if "password" not in server.wanted:
            self.kept.remember_password(server.name, made.entry)
        return made, folder

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
