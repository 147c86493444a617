"""Development: what a plugin does for `architect run`, `architect install` and the command line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from architect_core.contract.provided import Options, Provided


@dataclass(frozen=True)
class Definitions:
    """The definitions of one service, for which stubs are wanted.

    Attributes:
        service: the service's name.
        folder: the service's folder.
        files: the definition files, relative to it.
    """

    service: str
    folder: Path
    files: tuple[str, ...]


class StubGenerator(Provided):
    """Generates stubs for `architect install`."""

    hook: ClassVar[str] = "architect_stub_generator"

    @abstractmethod
    def checksum(self, definitions: Definitions) -> str:
        """A hash of everything that the stubs depend on, imported definitions and the tool's version included.

        Raises:
            StubError: if a file is missing.
        """

    @abstractmethod
    def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
        """The stubs of one service: path, relative to the service's stub folder and with "/", -> content.

        The caller writes them, with an `__init__.py` in every folder that has none among them.

        Raises:
            StubError: if the definitions do not compile; the message names the file and the line.
        """

    def finish(self, stubs: Mapping[str, Path], folder: Path) -> list[str]:  # noqa: ARG002 - likewise
        """Called last, when the stubs of all services are in place; returns notes for the user, one sentence each.

        Args:
            stubs: the stub folder of every service that this generator serves, by the service's name.
            folder: the `architect_services` folder, in which it may write files of its own.
        """
        return []


@dataclass(frozen=True)
class Listener:
    """A service that `architect run` started, and that listens.

    Attributes:
        name: the service's name.
        host: the address it listens on.
        port: the TCP port.
        options: `api.readiness` of its manifest, as an instance of the probe's `Options`.
    """

    name: str
    host: str
    port: int
    options: Any = field(repr=False)


class ReadinessProbe(Provided):
    """Tells whether a service that listens takes calls.

    Attributes:
        Options: the schema of `api.readiness` in a service's manifest.
    """

    hook: ClassVar[str] = "architect_readiness_probe"
    Options: ClassVar[type[BaseModel]] = Options

    @abstractmethod
    def is_ready(self, listener: Listener, timeout: float) -> bool:
        """Whether it takes calls now; asked again and again until it does, from a thread of its own.

        Args:
            listener: the service.
            timeout: seconds that this one answer may take.

        Raises:
            RunError: it can never be ready; this ends the run.
        """


@dataclass(frozen=True)
class Provisioned:
    """A datastore server that runs for one `architect run`.

    Attributes:
        entry: the datastore's entry for the environment, such as host, port, username, password and name.
        command: the server to start, or None where nothing needs to run.
        env: variables that it needs beside the runner's own.
        user: the user id and group id to run it as, or None for the runner's.
        stop_signal: what ends it quickly and cleanly.
        prepare: called once it listens, to set up users and databases.
    """

    entry: Mapping[str, Any] = field(repr=False)
    command: tuple[str, ...] | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: tuple[int, int] | None = None
    stop_signal: int = 15
    prepare: Callable[[], None] | None = field(default=None, repr=False)


class DatastoreProvisioner(Provided):
    """Starts a datastore for `architect run`."""

    hook: ClassVar[str] = "architect_datastore_provisioner"

    @abstractmethod
    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """Make a server's data and say how it is started.

        Args:
            wanted: what the manifest or the user asks for, by alias: any of username, password and name. A password
                that is not asked for is a random one.
            folder: an empty folder of its own, removed after the run.
            port: the free local port to listen on.

        Raises:
            RunError: if there is no server program, with how to get one.
        """


class Command(Provided):
    """A command of the `architect` command line.

    Attributes:
        summary: what it does, in one sentence, for `architect --help`.
    """

    hook: ClassVar[str] = "architect_command"
    summary: ClassVar[str]

    @abstractmethod
    def run(self, arguments: Sequence[str]) -> int:
        """Do it and give the exit code.

        Args:
            arguments: what follows the command's name, as it was typed; `--help` among it.

        Raises:
            ArchitectError: it cannot go on; the message is told, and the exit code is 1.
        """
