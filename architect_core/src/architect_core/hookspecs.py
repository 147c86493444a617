"""The hooks of a plugin: one for everything that differs by protocol, engine or place.

A plugin is a module (or any object) that an entry point in the group `architect` names. The entry point's name is the
protocol, engine, source or command that it serves:

    [project.entry-points.architect]
    pigeon = "architect_pigeon"

after which `{"api": "pigeon"}` in a service's entry is served by `architect_pigeon`. The module says for which version
of the contract it was written, and has any of the hooks below, marked with `hookimpl`:

    from architect_core.hookspecs import hookimpl

    ARCHITECT_CONTRACT = 1

    @hookimpl
    def architect_client_factory() -> ClientFactory:
        return PigeonFactory()

A hook takes no arguments and returns an instance of its class in `architect_core.contract`. It is called once by each
resolver, when the first user of the plugin's name asks for it; a plugin that nobody asks for is not imported. A
function whose name starts with `architect_` and is no hook below, or is not marked, is an error. Import what is heavy
inside of the hook: a plugin is loaded for any one of its hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from architect_core.contract import (
        ClientFactory,
        Command,
        CredentialParser,
        DatastoreProvisioner,
        DoubleFactory,
        EventPublisher,
        Observer,
        ReadinessProbe,
        StubGenerator,
    )
    from architect_core.sources import Source

GROUP = "architect"
"""The entry-point group."""

CONTRACT = 1
"""The version of this contract. It grows by one when a hook or a method is added."""

OLDEST_CONTRACT = 1
"""The oldest version whose plugins still work. It grows when something is taken away or changes its meaning."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def architect_client_factory() -> ClientFactory:  # type: ignore[empty-body]
    """What makes the clients of a protocol.

    Called by the first `service(name).client` of a service whose `api` is the plugin's name. A service's `options` are
    checked by the factory's `Options` before a client is made of them.

    For example:

        from http.client import HTTPConnection
        from xmlrpc.client import ServerProxy, Transport

        from architect_core.contract import ClientFactory, Options, Target
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class XmlRpcOptions(Options):
            path: str = "/RPC2"
            timeout: float = 10.0

        class OneConnectionACall(Transport):  # which lets threads share a client
            def __init__(self, timeout: float) -> None:
                super().__init__()
                self.timeout = timeout

            def make_connection(self, host: str) -> HTTPConnection:
                return HTTPConnection(host, timeout=self.timeout)

        class XmlRpcFactory(ClientFactory):
            Options = XmlRpcOptions

            def client(self, target: Target) -> ServerProxy:
                url = f"http://{target.address().netloc}{target.options.path}"
                return ServerProxy(url, transport=OneConnectionACall(target.options.timeout))

            def close(self, client: ServerProxy) -> None:
                client("close")()

        @hookimpl
        def architect_client_factory() -> ClientFactory:
            return XmlRpcFactory()
    """


@hookspec
def architect_credential_parser() -> CredentialParser:  # type: ignore[empty-body]
    """What reads the credentials of an engine.

    Called by the first `datastore(name)` of the engine that is the plugin's name, which an entry's `type`, image or URL
    tells.

    For example:

        from architect_core.contract import CredentialParser, DatastoreTarget
        from architect_core.datastore import Credentials
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class NestParser(CredentialParser):
            def credentials(self, target: DatastoreTarget) -> Credentials:
                if target.config.host is None:
                    raise target.error("host", "is missing")
                return Credentials("nest", {"port": 4150, **target.config})

        @hookimpl
        def architect_credential_parser() -> CredentialParser:
            return NestParser()
    """


@hookspec
def architect_source() -> Source:  # type: ignore[empty-body]
    """A place that a configuration is read from.

    Called by the first question of a program that asks for it by the plugin's name: with `ARCHITECT_SOURCE=name` in the
    environment, or `configure(source="name")`. What it needs to know itself, such as where a server is, it reads from
    variables of its own.

    For example:

        import os
        import tomllib
        from pathlib import Path

        from architect_core.config import parse_services
        from architect_core.hookspecs import hookimpl
        from architect_core.sources import Configuration, Source

        ARCHITECT_CONTRACT = 1

        class TomlSource(Source):
            def load(self) -> Configuration:
                path = Path(os.environ.get("ARCHITECT_TOML", "services.toml"))
                content = tomllib.loads(path.read_text()) if path.exists() else {}
                return Configuration(parse_services(content, str(path)), None, str(path))

        @hookimpl
        def architect_source() -> Source:
            return TomlSource()
    """


@hookspec
def architect_event_publisher() -> EventPublisher:  # type: ignore[empty-body]
    """What delivers events to the subscribers that serve a protocol.

    Called by the first `notification(event).publish()` with a subscriber whose `api` is the plugin's name.

    For example:

        import socket
        from collections.abc import Sequence
        from time import monotonic

        from architect_core.contract import EventPublisher
        from architect_core.hookspecs import hookimpl
        from architect_core.notification import Delivery, Subscription

        ARCHITECT_CONTRACT = 1

        class SocketPublisher(EventPublisher):
            def publish(self, subscriptions: Sequence[Subscription], body: bytes, timeout: float) -> list[Delivery]:
                return [self.deliver(each, body, timeout) for each in subscriptions]

            def deliver(self, subscription: Subscription, body: bytes, timeout: float) -> Delivery:
                started = monotonic()
                host = subscription.host.partition("://")[2]
                try:
                    with socket.create_connection((host, subscription.port), timeout) as connection:
                        connection.sendall(body)
                except OSError as problem:
                    return Delivery(subscription, None, monotonic() - started, problem)
                return Delivery(subscription, 200, monotonic() - started)

        @hookimpl
        def architect_event_publisher() -> EventPublisher:
            return SocketPublisher()
    """


@hookspec
def architect_stub_generator() -> StubGenerator:  # type: ignore[empty-body]
    """What generates the stubs of a protocol that has definitions.

    Called by `architect install` and `architect run` for the first service or dependency whose manifest says
    `{"api": {"type": name, "definitions": [...]}}`.

    For example:

        import hashlib
        from collections.abc import Mapping

        from architect_core.contract import Definitions, StubGenerator
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class WordListGenerator(StubGenerator):
            def checksum(self, definitions: Definitions) -> str:
                return hashlib.sha256(repr(self.generate(definitions)).encode()).hexdigest()

            def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
                words = [word for file in definitions.files for word in (definitions.folder / file).read_text().split()]
                return {"words.py": f"WORDS = {words!r}".encode()}

        @hookimpl
        def architect_stub_generator() -> StubGenerator:
            return WordListGenerator()
    """


@hookspec
def architect_readiness_probe() -> ReadinessProbe:  # type: ignore[empty-body]
    """What tells whether a service takes calls.

    Called by `architect run` for the first service of the protocol that it starts; a protocol without one is ready when
    something listens. What the manifest says under `{"api": {"readiness": {...}}}` is checked by the probe's `Options`.

    For example:

        import socket

        from architect_core.contract import Listener, ReadinessProbe
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class BannerProbe(ReadinessProbe):
            def is_ready(self, listener: Listener, timeout: float) -> bool:
                try:
                    with socket.create_connection((listener.host, listener.port), timeout) as connection:
                        return connection.recv(3) == b"220"
                except OSError:
                    return False

        @hookimpl
        def architect_readiness_probe() -> ReadinessProbe:
            return BannerProbe()
    """


@hookspec
def architect_datastore_provisioner() -> DatastoreProvisioner:  # type: ignore[empty-body]
    """What starts a server of an engine for one run.

    Called by `architect run` for the first datastore of the engine that no host is stated for.

    For example:

        import sys
        from collections.abc import Mapping
        from pathlib import Path

        from architect_core.contract import DatastoreProvisioner, Provisioned
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class FileServerProvisioner(DatastoreProvisioner):
            def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
                command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(folder))
                return Provisioned({"host": "127.0.0.1", "port": port}, command)

        @hookimpl
        def architect_datastore_provisioner() -> DatastoreProvisioner:
            return FileServerProvisioner()
    """


@hookspec
def architect_command() -> Command:  # type: ignore[empty-body]
    """A command of the `architect` command line: `architect NAME ...`, with the plugin's name.

    Called by `architect NAME`, and by `architect --help` for its summary. Commands of architect itself cannot be
    replaced.

    For example:

        from collections.abc import Sequence

        from architect_core.contract import Command
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class Coo(Command):
            summary = "Coo once for every argument."

            def run(self, arguments: Sequence[str]) -> int:
                print(*["coo"] * len(arguments))
                return 0

        @hookimpl
        def architect_command() -> Command:
            return Coo()
    """


@hookspec
def architect_double_factory() -> DoubleFactory:  # type: ignore[empty-body]
    """What stands in for services of a protocol in the tests of an application.

    Called by the first `service(name, api, behaviour)` of `architect.testing` whose `api` is the plugin's name. The
    plugin has a client factory too, whose client a double may use.

    For example:

        from types import SimpleNamespace
        from typing import Any

        from architect_core.contract import Double, DoubleFactory, DoubleTarget
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class PigeonDouble(Double):
            def __init__(self, target: DoubleTarget) -> None:
                super().__init__({"host": "pigeon.invalid", "api": "pigeon"})
                self.behaviour = target.behaviour

            def client(self, make: Any) -> Any:
                return SimpleNamespace(send=self.send)

            def send(self, letter: str) -> str:
                self.requests.append(letter)
                return self.behaviour(letter)

        class PigeonDoubleFactory(DoubleFactory):
            def double(self, target: DoubleTarget) -> Double:
                return PigeonDouble(target)

        @hookimpl
        def architect_double_factory() -> DoubleFactory:
            return PigeonDoubleFactory()
    """


@hookspec
def architect_observer() -> Observer:  # type: ignore[empty-body]
    """What watches calls, for metrics and traces.

    Called by the first client that is made, where `ARCHITECT_OBSERVER=name` or `architect.observe(name)` asks for the
    plugin's name; once in a process.

    For example:

        import logging

        from architect_core.contract import ClientObserver, Observer, Outcome
        from architect_core.hookspecs import hookimpl

        ARCHITECT_CONTRACT = 1

        class LogClientObserver(ClientObserver):
            def __init__(self, service: str) -> None:
                self.service = service

            def ended(self, outcome: Outcome) -> None:
                result = outcome.error or "ok"
                logging.getLogger("calls").info("%s: %s after %.3f s", self.service, result, outcome.seconds)

        class LogObserver(Observer):
            def observe(self, service: str, protocol: str) -> ClientObserver:
                return LogClientObserver(service)

        @hookimpl
        def architect_observer() -> Observer:
            return LogObserver()
    """
