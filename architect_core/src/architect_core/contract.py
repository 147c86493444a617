"""What a plugin provides: the classes that its hooks return instances of.

A plugin is a module (or any object) named by an entry point in the group `architect`, where the entry point's name is
the protocol or engine that it serves. Its hooks, described in `architect_core.hookspecs`, return instances of the
classes below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from architect_core.address import Address, parse_address
from architect_core.config import DatastoreConfig, ServiceConfig
from architect_core.datastore import Credentials
from architect_core.exceptions import ConfigError, PluginError

if TYPE_CHECKING:
    from architect_core.notification import Delivery, Subscription


class Options(BaseModel):
    """Base of a plugin's own options: `{"options": {...}}` in a service's entry. An unknown option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True)
class Target:
    """A service that a client is wanted for.

    Attributes:
        name: the service's name.
        config: its entry in the configuration.
        options: its `options`, as an instance of the factory's `Options`.
        where: what the configuration was read from, for error messages.
        find_root: gives the running service's own folder, where generated stubs lie; a call, because looking for it
            costs time that only some protocols need. Raises ArchitectError where there is none.
        observer: who is told of the client's calls; None for nobody. Nothing that it does fails a call.
    """

    name: str
    config: ServiceConfig
    options: Any = field(repr=False)
    where: str
    find_root: Callable[[], Path] = field(repr=False)
    observer: ClientObserver | None = field(default=None, repr=False)

    def address(self) -> Address:
        """The configured host and port, split; a ConfigError where they are no address."""
        try:
            return parse_address(self.config.host or "", self.config.port)
        except ValueError as problem:
            reason = str(problem)
        raise self.error("host", reason)

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this service's entry."""
        return ConfigError(self.where, [(f"{self.name}.{path}", reason)])


class ClientFactory(ABC):
    """Makes the clients of one protocol. One instance serves all services, in any thread.

    Attributes:
        Options: the schema of a service's `options`.
        fork_safe: whether a client made before `os.fork` works in the child. Where not, the child makes a new one.
    """

    Options: ClassVar[type[BaseModel]] = Options
    fork_safe: ClassVar[bool] = False

    @abstractmethod
    def client(self, target: Target) -> Any:
        """A new client for `target`. Called once for each service, in the thread that asks first.

        An error of the client's own library is raised on as it is; what is wrong with the configuration is a
        `target.error(path, reason)`.
        """

    def aio_client(self, target: Target) -> Any:
        """A new client for coroutines. Called once for each service and event loop, while that loop runs.

        Raises as `client` does. A plugin that does not override it has no clients for asyncio.
        """
        raise PluginError(f"service {target.name!r}: the plugin of {target.config.api!r} has no clients for asyncio")

    async def aio_close(self, client: Any) -> None:
        """Release what `client`, one of `aio_client`'s, holds. Called in the loop that it was made in."""
        await client.aclose()

    def aio_is_closed(self, client: Any) -> bool:  # noqa: ARG002 - likewise
        """Whether whoever uses `client`, one of `aio_client`'s, has closed it: then the next use makes a new one."""
        return False

    def definitions(self, target: Target) -> Any:  # noqa: ARG002 - for those who override it
        """What `.defs` gives: the messages of a protocol that has definitions, None for one that has none."""
        return None

    def servicer(self, target: Target) -> Any:  # noqa: ARG002 - likewise
        """What `current_service().Servicer` gives: the base class of an implementation, None where there is none."""
        return None

    def add_servicer(self, target: Target, servicer: Any, server: Any) -> None:
        """Register an implementation with a server, for protocols that have a `servicer`."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Release what `client` holds: its sockets."""
        client.close()


@dataclass(frozen=True)
class DatastoreTarget:
    """A datastore whose credentials are wanted.

    Attributes:
        name: its key in the configuration.
        engine: the engine it was found to be, which is the entry point's name: "postgres".
        config: its entry, with every key that was given.
        options: its `options`, as an instance of the parser's `Options`.
        where: what it was read from.
        path: its path in there.
    """

    name: str
    engine: str
    config: DatastoreConfig
    options: Any = field(repr=False)
    where: str
    path: str

    def error(self, path: str, reason: str) -> ConfigError:
        """A ConfigError about the field at `path` of this datastore's entry; `reason` must repeat no value."""
        return ConfigError(self.where, [(".".join(part for part in (self.path, path) if part), reason)])


class CredentialParser(ABC):
    """Turns a datastore's entry into credentials.

    Attributes:
        Options: the schema of a datastore's `options`.
    """

    Options: ClassVar[type[BaseModel]] = Options

    @abstractmethod
    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials of `target`, with the engine's default port and a `url`.

        Called once for each datastore. Nothing is connected to; what is wrong is a `target.error(path, reason)`.
        """


class EventPublisher(ABC):
    """Delivers events to subscribers that serve one protocol."""

    @abstractmethod
    def publish(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
        """Deliver `body`, a JSON text, to all at once; one result for each, in order, never an exception.

        Args:
            subscriptions: who is to get it.
            body: what is posted.
            timeout: seconds that one subscriber may take.
        """


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


class StubGenerator(ABC):
    """Generates stubs for `architect install`."""

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


class ReadinessProbe(ABC):
    """Tells whether a service that listens takes calls.

    Attributes:
        Options: the schema of `api.readiness` in a service's manifest.
    """

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


class DatastoreProvisioner(ABC):
    """Starts a datastore for `architect run`."""

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


class Command(ABC):
    """A command of the `architect` command line.

    Attributes:
        summary: what it does, in one sentence, for `architect --help`.
    """

    summary: ClassVar[str]

    @abstractmethod
    def run(self, arguments: Sequence[str]) -> int:
        """Do it and give the exit code.

        Args:
            arguments: what follows the command's name, as it was typed; `--help` among it.

        Raises:
            ArchitectError: it cannot go on; the message is told, and the exit code is 1.
        """


@dataclass(frozen=True)
class DoubleTarget:
    """A service that a test stands in for.

    Attributes:
        name: the service's name.
        behaviour: what the test says it does, in a form that its protocol's `DoubleFactory` documents.
        find_root: gives the folder of the service that is tested, where generated stubs lie. Raises ArchitectError
            where there is none.
    """

    name: str
    behaviour: Any
    find_root: Callable[[], Path] = field(repr=False)


class Double:
    """Stands in for one service in one test.

    Attributes:
        entry: the service's entry in the configuration that the application is given.
        requests: what the application asked, in the order of asking.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.requests: list[Any] = []

    def client(self, make: Callable[[], Any]) -> Any:
        """The client that the application gets.

        Args:
            make: makes the protocol's own client of `entry`, which is to be preferred to another: it tests more.
        """
        return make()

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """The client for asyncio that the application gets.

        Args:
            make: as for `client`.
        """
        return make()

    def close(self) -> None:
        """Release what stands in: its server, its sockets. Called after the test."""


class DoubleFactory(ABC):
    """Makes stand-ins for the services of one protocol."""

    @abstractmethod
    def double(self, target: DoubleTarget) -> Double:
        """A stand-in for one service; TypeError where the behaviour has a form that means nothing here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. None of it holds a login, a header or a path.

    Attributes:
        seconds: how long it took, with all attempts and pauses: until the answer was read, or the head of one that is
            streamed in parts.
        error: what went wrong: the name of the exception's type, or the status that says so, such as "503" or
            "UNAVAILABLE"; None where nothing did.
        attempts: how often it was sent, 0 where it was not; None where that is not known.
        instance: where its last attempt was made, such as "http://10.0.0.1:8080"; None where that is not known.
    """

    seconds: float
    error: str | None = None
    attempts: int | None = None
    instance: str | None = None


class Health(Protocol):
    """What a client knows of its service's instances. It lives as long as the client does."""

    @property
    def left_out(self) -> Sequence[str]:
        """The instances that get no calls now, because they failed."""

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open, so that nothing is sent to any of them."""


class BegunCall(Protocol):
    """What an observer made of a call that begins.

    Attributes:
        headers: what is sent along with it, such as a trace's context; names are in lower case.
    """

    @property
    def headers(self) -> Mapping[str, str]:
        """See the class."""

    def ended(self, outcome: Outcome) -> None:
        """It ended, in whichever thread."""


class ClientObserver(ABC):
    """Is told of one client's calls, in whichever thread makes them."""

    @abstractmethod
    def ended(self, outcome: Outcome) -> None:
        """A call ended. What a redirect of it sends to the same service is another; what it sends elsewhere is none."""

    def begin(self, rpc: str) -> BegunCall | None:  # noqa: ARG002 - for those who override it
        """A gRPC call begins, such as one of "/acme.v1.Payments/Pay"; gives who is told of its end, None for this."""
        return None

    def made(self, client: Any) -> None:  # noqa: B027 - likewise
        """The client is there: what `service(name).client` or `aio.client` gives. Nothing was called with it yet."""

    def watch(self, health: Health) -> None:  # noqa: B027 - likewise
        """What tells from now on how the client's instances are. It must be kept by a weak reference alone."""


class Observer(ABC):
    """Watches the clients of one process, for metrics and traces. One instance serves all services, in any thread."""

    @abstractmethod
    def observe(self, service: str, protocol: str) -> ClientObserver:
        """What is told of a client's calls, asked for just before the client is made.

        Args:
            service: the service's name.
            protocol: its `api`, such as "rest".
        """
