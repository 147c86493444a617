"""Development: how a plugin extends `architect run`, `architect install`, the command line and `architect.testing`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from architect_core.contract.hooks import Options, Provided


@dataclass(frozen=True)
class Definitions:
    """The definition files of one service, whose paths are relative to its `folder`.

    Attributes:
        service: its name.
        folder: the folder of its manifest.
        files: `api.definitions` of the manifest, with patterns replaced by the files that match.
        roots: `api.roots` of the manifest.
    """

    service: str
    folder: Path
    files: tuple[str, ...]
    roots: tuple[str, ...] = ()


class StubGenerator(Provided):
    """Generates stubs for `architect install`. Its methods raise StubError for definitions that cannot be used."""

    hook: ClassVar[str] = "architect_stub_generator"

    @abstractmethod
    def checksum(self, definitions: Definitions) -> str:
        """Returns a hash of everything the stubs depend on, imported definitions and the tool's version included."""

    def inputs(self, definitions: Definitions) -> Iterable[str] | None:  # noqa: ARG002 - for subclasses
        """Returns the paths of all files that `checksum` has just read, and of the folders that it searched for files.

        While these and the stubs are unchanged, the next installation calls no generator. None, the default, means that
        they are unknown, and that `checksum` has to tell.
        """
        return None

    @abstractmethod
    def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
        """Returns one service's stubs: path, relative to its stub folder and with "/", -> content.

        The caller writes them, and an `__init__.py` into every folder that has none. If the definitions do not compile,
        the message of the StubError names the file and the line.
        """

    def finish(self, stubs: Mapping[str, Path], folder: Path) -> list[str]:  # noqa: ARG002 - for subclasses
        """Called when all stubs are written; returns notes for the user, one sentence each.

        `stubs` maps every service of this generator's protocol to its stub folder. In `folder`, the
        `architect_services` folder, the generator may write files of its own.
        """
        return []


@dataclass(frozen=True)
class Listener:
    """A service of `architect run` that listens; `options` is its `api.readiness`, checked by the probe's `Options`."""

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

        Raises RunError, which ends the run, if the service can never be ready.
        """


@dataclass(frozen=True)
class Provisioned:
    """A datastore server, or a broker of events, of one `architect run`.

    Attributes:
        entry: the datastore's entry in the configuration, such as host, port, username, password and name.
        command: starts the server; None if no process is needed.
        env: environment variables, besides the runner's own.
        user: the user id and group id of the process; None for the runner's.
        stop_signal: stops it quickly and cleanly.
        prepare: called once it listens, to create users and databases.
        keeps: whether its data survives SIGKILL, so that it can be started again; else its end is that of the run.
    """

    entry: Mapping[str, Any] = field(repr=False)
    command: tuple[str, ...] | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: tuple[int, int] | None = None
    stop_signal: int = 15
    prepare: Callable[[], None] | None = field(default=None, repr=False)
    keeps: bool = True


class DatastoreProvisioner(Provided):
    """Starts a datastore for `architect run`; under the entry point "events.NAME" the broker of `--events NAME`.

    The entry of a broker is the value of `ARCHITECT_EVENTS`: a `url`, and whatever else a datastore's entry may have.
    """

    hook: ClassVar[str] = "architect_datastore_provisioner"

    @abstractmethod
    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """Create a server's data and return how to start it; raises RunError with what to install if it is missing.

        Args:
            wanted: any of username, password and name; the password is random if it is absent.
            folder: an empty folder of its own, removed after the run.
            port: the free local port to listen on.
        """

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned | None:  # noqa: ARG002
        """The same for data that outlives the run, with `architect run --keep`.

        `folder` is empty, or has what an earlier call left there, which may have been killed. Each time the server
        that starts has the data of the last one, the login that is wanted now, and this `port`. What a client was
        answered as written must survive SIGKILL of the server.

        Returns None, the default, if no data can be kept; `provision` is then called, and the user is informed. Raises
        RunError with what to do if the data belong to another version of the program.
        """
        return None


class Command(Provided):
    """A command of the `architect` command line; `summary` is its sentence in `architect --help`.

    If the attribute `click_command` is a click command, shells complete its options.
    """

    hook: ClassVar[str] = "architect_command"
    summary: str

    @abstractmethod
    def run(self, arguments: Sequence[str]) -> int:
        """Run with the arguments after the command's name, `--help` included; returns the exit code.

        The message of an ArchitectError that it raises is printed, and the exit code is then 1.
        """


@dataclass(frozen=True)
class DoubleTarget:
    """A service that a test replaces, and its `behaviour` there, in a form that the `DoubleFactory` documents.

    `find_root` returns the folder of the tested service, which holds generated stubs, or raises ArchitectError.
    """

    name: str
    behaviour: Any
    find_root: Callable[[], Path] = field(repr=False)


class Double:
    """Replaces one service in one test; `entry` is its configuration, `requests` what was sent to it, in order."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.requests: list[Any] = []

    def client(self, make: Callable[[], Any]) -> Any:
        """Returns the application's client: by default the protocol's own, made of `entry`, which tests most."""
        return make()

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """Returns the application's client for asyncio, likewise."""
        return make()

    def close(self) -> None:
        """Release its server and sockets. Called after the test."""


class DoubleFactory(Provided):
    """Makes doubles for the services of one protocol."""

    hook: ClassVar[str] = "architect_double_factory"

    @abstractmethod
    def double(self, target: DoubleTarget) -> Double:
        """Returns a double for one service; raises TypeError if the behaviour's form is not supported."""
