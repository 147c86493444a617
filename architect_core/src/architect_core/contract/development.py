"""Development: how a plugin extends `architect run`, `architect install` and the command line."""

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
    """The definition files of one service, whose paths are relative to its `folder`."""

    service: str
    folder: Path
    files: tuple[str, ...]


class StubGenerator(Provided):
    """Generates stubs for `architect install`."""

    hook: ClassVar[str] = "architect_stub_generator"

    @abstractmethod
    def checksum(self, definitions: Definitions) -> str:
        """Returns a hash of everything the stubs depend on: imported definitions and the tool's version included.

        Raises:
            StubError: a file is missing.
        """

    @abstractmethod
    def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
        """Returns one service's stubs: path, relative to its stub folder and with "/", -> content.

        The caller writes them, and an `__init__.py` into every folder that has none.

        Raises:
            StubError: the definitions do not compile; the message names the file and the line.
        """

    def finish(self, stubs: Mapping[str, Path], folder: Path) -> list[str]:  # noqa: ARG002 - for subclasses
        """Called when all stubs are written; returns notes for the user, one sentence each.

        Args:
            stubs: service -> its stub folder, for every service of this generator's protocol.
            folder: the `architect_services` folder, where it may write files of its own.
        """
        return []


@dataclass(frozen=True)
class Listener:
    """A service that `architect run` started, and that listens.

    Attributes:
        options: `api.readiness` of its manifest, as an instance of the probe's `Options`.
    """

    name: str
    host: str
    port: int
    options: Any = field(repr=False)


class ReadinessProbe(Provided):
    """Decides whether a service that listens is ready for calls. `Options` is the schema of `api.readiness`."""

    hook: ClassVar[str] = "architect_readiness_probe"
    Options: ClassVar[type[BaseModel]] = Options

    @abstractmethod
    def is_ready(self, listener: Listener, timeout: float) -> bool:
        """Whether the service is ready; called in a thread until it is. One call may take `timeout` seconds.

        Raises:
            RunError: it can never be ready; this ends the run.
        """


@dataclass(frozen=True)
class Provisioned:
    """A datastore server of one `architect run`.

    Attributes:
        entry: the datastore's entry in the configuration, such as host, port, username, password and name.
        command: starts the server; None if no process is needed.
        env: environment variables, besides the runner's own.
        user: the user id and group id of the process; None for the runner's.
        stop_signal: stops it quickly and cleanly.
        prepare: called once it listens, to create users and databases.
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
        """Create a server's data and return how to start it.

        Args:
            wanted: any of username, password and name; the password is random if it is absent.
            folder: an empty folder of its own, removed after the run.
            port: the free local port to listen on.

        Raises:
            RunError: the server program is not installed; the message says how to install it.
        """


class Command(Provided):
    """A command of the `architect` command line; `summary` is its sentence in `architect --help`.

    If the attribute `click_command` is a click command, shells complete its options.
    """

    hook: ClassVar[str] = "architect_command"
    summary: str

    @abstractmethod
    def run(self, arguments: Sequence[str]) -> int:
        """Run with the arguments after the command's name, `--help` included; returns the exit code.

        Raises:
            ArchitectError: it failed; the message is printed, and the exit code is 1.
        """
