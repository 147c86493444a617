"""A run: services with all that they depend on, started, watched and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_cli.control.folder import id_of
from architect_cli.control.server import Control
from architect_cli.install import install_stubs
from architect_cli.messages import error_text
from architect_cli.output.console import Console
from architect_cli.output.masking import ordinary_texts, secrets_of
from architect_cli.parts.events import check_commands, choose_broker, companions, migrations, secrets_in
from architect_cli.parts.keeping import Parts
from architect_cli.parts.kept import kept_for
from architect_cli.parts.reload import Reloader
from architect_cli.parts.starting import check, readiness_of
from architect_cli.parts.system import System
from architect_cli.planning.names import find_name
from architect_cli.planning.overrides import ConfigFile, read_config
from architect_cli.planning.plan import LOCAL, Plan
from architect_cli.planning.tree import load_tree, roots_of
from architect_cli.planning.unknown import report_unknown
from architect_cli.planning.variables import read_variables
from architect_cli.process.signals import ENDING, handled
from architect_core.contract import mask_url
from architect_core.exceptions import ArchitectError, RunError
from architect_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from architect_cli.parts.events import Companion
    from architect_cli.parts.kept import Kept
    from architect_cli.planning.tree import Node

# the reader is gone, the terminal is closed
_EXIT_CODES = {errno.EPIPE: 128 + signal.SIGPIPE, errno.EIO: 128 + signal.SIGHUP}


@dataclass(frozen=True)
class Options:
    """What the user states about a run; see `architect run --help`."""

    folders: Sequence[Path]
    config: Path | None
    events: str | None
    timeout: float
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    fail_fast: bool = False
    env_file: Path | None = None
    strict: bool = False
    keep: bool = False
    reload: bool = True


def run_system(options: Options, temporary: Path, on_ready: Callable[[str], None] | None = None) -> int:
    """Run the services in the stated folders; returns the exit code.

    For a run in the background, `on_ready` is called with a message once everything is ready. The caller removes the
    folder `temporary` after the run. Raises ArchitectError if something is wrong before anything is started.
    """
    plan = _plan(options)
    with kept_for(options.folders[0]) as kept:
        system = _system(plan, options, kept, temporary)
        if on_ready is not None:
            system.how_to_stop = "stop it with: architect stop"
        run = Run(system, on_ready, fail_fast=options.fail_fast, reload=options.reload)
        return asyncio.run(run.until_it_ends())


def _system(plan: Plan, options: Options, kept: Kept, temporary: Path) -> System:
    """Check everything that can be checked, and generate the stubs of all services."""
    plan.made_up = kept.secrets
    plugins = Plugins()
    broker = choose_broker(options.events, plan, plugins)
    beside = {}
    for node in plan.started:
        beside[node.name] = companions(node, plan, with_broker=bool(broker or plan.events))
        check_commands(node, [*migrations(node), *beside[node.name]], plugins)
    without = _without(options.without, plan, beside)
    console = Console([*(node.name for node in plan.started), *(each.name for of in beside.values() for each in of)])
    console.mask.show(ordinary_texts(plan))
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
    if kept.problem:
        console.note(kept.problem)
    parts = (provisioners, readiness, broker, beside, without)
    return System(plan, plugins, console, *parts, kept, options.keep, temporary, options.timeout)


def _plan(options: Options) -> Plan:
    """The services of the run: those in the folders, or the `only` ones, with all that they depend on."""
    variables = read_variables(options.folders, options.env_file)
    file = read_config(options.config, variables) if options.config else ConfigFile()
    nodes = load_tree(*options.folders, folder_of=file.folder_of)
    overrides = file.overrides(nodes)
    report_unknown(nodes, overrides, strict=options.strict)
    roots = roots_of(nodes, options.folders)
    if options.only:
        names = [node.name for node in nodes]
        wanted = {find_name(name, names, "service") for name in options.only}
        roots = [node for node in nodes if node.name in wanted]
        needed = [node for root in roots for node in root.closure()]
        nodes = [node for node in nodes if node in needed]
    started = [root for root in roots if overrides.of(root.name).host is None]
    if not started:
        stated = ", ".join(root.name for root in roots)
        raise RunError(f"{stated}: nothing is to be started, because --config states a host for it. Remove its `host`")
    return Plan(nodes, overrides, started, variables)


def _without(stated: Sequence[str], plan: Plan, beside: dict[str, list[Companion]]) -> frozenset[str]:
    """The full names of what is not to be started."""
    names = [*(node.name for node in plan.started), *(each.name for of in beside.values() for each in of)]
    return frozenset(find_name(name, names, "service") for name in stated)


class Run:
    """Starts the parts of a system in order, and stops them all at its end."""

    def __init__(
        self, system: System, on_ready: Callable[[str], None] | None, *, fail_fast: bool, reload: bool
    ) -> None:
        self._system = system
        self._on_ready = on_ready
        self._plan = system.plan
        self._console = system.console
        self._fail_fast = fail_fast
        self._reload = reload
        self.history = system.console.history
        self.shown = system.console.names
        self._ended: dict[Node, int] = {}  # the roots that were scripts, with their exit codes
        self._stopping = False

    async def until_it_ends(self) -> int:
        """Start everything, wait for the first end or signal, stop everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[int] = loop.create_future()
        for number in handled(*ENDING):
            loop.add_signal_handler(number, self._on_signal, number)
        self._console.on_failure = lambda problem: self._on_failed_output(loop, problem)
        self._system.choose_ports()
        self._announce()
        parts = self._system.parts(self._on_root_end)
        self.parts = Parts(parts, self._console, self._system.timeout, self._fail, fail_fast=self._fail_fast)
        reloader = None
        if self._reload:
            reloader = Reloader(self._plan, self.parts, self._system.plugins, self._console)
        roots = {root.name: str(root.folder) for root in self._plan.roots}
        control = Control(self, self._system.temporary, roots)
        await control.open()
        self.parts.begin()
        waiting = asyncio.create_task(self._report_when_ready())
        try:
            code = await self._outcome
        except ArchitectError as problem:
            self._console.error(error_text(problem))
            code = 1
        finally:
            self._stopping = True
            waiting.cancel()
            if reloader is not None:
                await reloader.close()
            await self.parts.stop_all()
            await control.close()
            self._system.close()
        return code

    async def _report_when_ready(self) -> None:
        if self._on_ready is not None:
            for part in self.parts:
                await part.was_ready.wait()
            ready = [self._started(root) for root in self._plan.roots if root.name not in self._system.without]
            run = id_of(self._system.temporary)
            lines = [*ready, f"the run {run} goes on in the background; stop it with: architect stop"]
            self._on_ready("".join(f"{line}\n" for line in lines))

    def _started(self, root: Node) -> str:
        if root.api is None:
            return f"{root.name} is started"
        address = self._plan.address(root)
        return f"{root.name} is ready at {address['host']}:{address['port']}"

    def stop(self) -> None:
        """End the run as it was asked to, by another terminal."""
        if not self._outcome.done():
            self.note("stopping (architect stop)")
            self._end(0)

    def note(self, text: str) -> None:
        """Show what is done."""
        self._console.note(text)

    def masked(self, text: str) -> str:
        """Returns text without secrets."""
        return self._console.masked(text)

    def _end(self, code: int) -> None:
        """End the run with this exit code, unless it ends already."""
        if not self._outcome.done():
            self._outcome.set_result(code)

    def _fail(self, problem: Exception) -> None:
        """End the run with an error, unless it ends already."""
        if not self._outcome.done():
            self._outcome.set_exception(RunError(str(problem)) if isinstance(problem, OSError) else problem)

    def _on_root_end(self, root: Node, code: int) -> None:
        """End with the last of the roots, if all are scripts; the exit code is the first that is not 0."""
        self._ended[root] = code
        if (code and self._fail_fast) or len(self._ended) == len(self._plan.roots):
            self._end(next((each for each in self._ended.values() if each), 0))
        else:
            self._console.note(f"{root.name} ended with exit code {code}")

    def _announce(self) -> None:
        for node in self._plan.nodes:
            if not self._plan.is_started(node):
                host = mask_url(str(self._plan.overrides.of(node.name).host))
                self._console.note(f"{node.name} is used where it is: {host}")
            elif node.name in self._system.without:
                self._console.note(f"{node.name} is not started; start it with: architect exec {node.name} -- COMMAND")
            elif node.name in self._plan.ports:
                self._console.note(f"{node.name} ({node.api}) will listen on {LOCAL}:{self._plan.ports[node.name]}")

    def _on_signal(self, number: int) -> None:
        if self._stopping:  # a second signal
            self.parts.kill_all()
        elif not self._outcome.done():
            self._console.note(f"stopping ({signal.Signals(number).name})")
            self._end(128 + number)

    def _on_failed_output(self, loop: asyncio.AbstractEventLoop, problem: OSError) -> None:
        with contextlib.suppress(RuntimeError):  # the run has ended
            loop.call_soon_threadsafe(self._on_lost_output, problem)

    def _on_lost_output(self, problem: OSError) -> None:
        """End as other programs do if the output's reader is gone, as with `| head`, or the terminal is closed."""
        if problem.errno in _EXIT_CODES:
            self._end(_EXIT_CODES[problem.errno])
        else:
            self._fail(RunError(f"the output cannot be written: {problem.strerror}"))
