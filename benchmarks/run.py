"""What architect costs, as ratios to the bare library in the same run: `uv run python benchmarks/run.py`.

Each is the median of rounds that take turns, with the least and the most of them, and the target if one is set. All but
the publication count the CPU seconds of this process, which other processes on the machine disturb little; the
publication counts the wall clock, so measure it on a machine that does nothing else. A ratio of 1.0 means that
architect costs what doing without it costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any

import plugins
import starting
from measure import HEADER, Comparison, compare
from processes import children_seconds, echo_project, python, serving
from server import SUBSCRIBERS

import architect.sdk as architect
from architect_core.contract import Message, Subscription

AIO_CALLS = 20  # each time that a loop runs, because what starting it costs is not what is compared
AIO_TOGETHER = 20
Call = Callable[[Any], Awaitable[object]]


def imports(old: str | None) -> Iterator[Comparison]:
    bare = python("pass")
    yield compare(
        "import architect.sdk / bare python", python("import architect.sdk"), bare, repeat=3, clock=children_seconds
    )
    program = "import architect.sdk as a; a.datastore('db')"
    config = '{"a": {"api": null, "datastores": {"db": {"type": "postgres", "host": "h"}}}}'
    environ = {"ARCHITECT": config, "ARCHITECT_CURRENT_SERVICE": "a"}
    first = python(program, **environ)
    yield compare(
        "import and first datastore / import pydantic",
        first,
        python("from pydantic import BaseModel"),
        repeat=3,
        clock=children_seconds,
    )
    if old is not None:
        yield compare(
            "import and first datastore / the same of 0.2.1",
            first,
            python(program, old, **environ),
            repeat=3,
            clock=children_seconds,
        )


def unrolled(statement: str, times: int, **names: object) -> Callable[[], object]:
    """A function that does `statement` many times over, without the cost of a loop."""
    scope = dict(names)
    exec("def many():\n" + f"    {statement}\n" * times, scope)  # the statements stand below
    return scope["many"]  # type: ignore[return-value]


def resolving() -> Iterator[Comparison]:
    config = {f"acme/s{number}": {"host": "h", "port": 1, "api": "rest"} for number in range(50)}
    architect.configure(config)
    clients = {name: architect.service(name).client for name in config}
    ours = unrolled("service('acme/s7').client", 1000, service=architect.service)
    bare = unrolled("clients['acme/s7']", 1000, clients=clients)
    yield compare("warm service(name).client / dict look-up", ours, bare, repeat=200, unrolled=1000)


def many_services() -> Iterator[Comparison]:
    entry = {"host": "http://billing.internal", "port": 8080, "api": "rest", "options": {"read_timeout": 5}}
    text = json.dumps({f"acme/s{number}": entry for number in range(500)})
    environ = {"ARCHITECT": text}

    def cold() -> object:
        return architect.Resolver(source=architect.EnvironmentSource(environ)).service("acme/s7")

    yield compare("first of 500 services / json.loads of the same", cold, lambda: json.loads(text), repeat=20)
    resolver = architect.Resolver(source=architect.EnvironmentSource(environ))
    names = [f"acme/s{number}" for number in range(500)]
    loaded = json.loads(text)
    yield compare(
        "all of 500 services, warm / dict look-ups",
        lambda: [resolver.service(name) for name in names],
        lambda: [loaded[name] for name in names],
        repeat=20,
        unrolled=500,
    )


@contextmanager
def variables(count: int) -> Iterator[None]:
    """An environment of `count` variables: requests goes through all of them for every call."""
    former = dict(os.environ)
    kept = [name for name in former if name not in {"PATH", "HOME"}]
    for name in kept[count - 2 :]:
        del os.environ[name]
    os.environ.update({f"FILLING_{number}": "value" for number in range(count - len(os.environ))})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(former)


def rest() -> Iterator[Comparison]:
    import requests

    with serving("http") as (port,):
        architect.configure({"acme/billing": {"host": "127.0.0.1", "port": port, "api": "rest"}})
        url, bare, body = f"http://127.0.0.1:{port}", requests.Session(), {"amount": 10}
        client = architect.service("acme/billing").client
        for count, target in {2: 0.65, 30: 0.50, 300: 0.26}.items():
            with variables(count):
                yield compare(
                    f"REST GET / requests.Session, {count} variables",
                    lambda: client.get("/x"),
                    lambda: bare.get(f"{url}/x", timeout=10),
                    repeat=200,
                    target=target,
                )
                yield compare(
                    f"REST POST of JSON / requests.Session, {count} variables",
                    lambda: client.post("/x", json=body),
                    lambda: bare.post(f"{url}/x", json=body, timeout=10),
                    repeat=200,
                )
        bare.close()
        architect.reset()


def rest_aio() -> Iterator[Comparison]:
    import httpx2

    async def get(client: httpx2.AsyncClient) -> None:
        await client.get("/x")

    async def post(client: httpx2.AsyncClient) -> None:
        await client.post("/x", json={"amount": 10})

    async def one_at_a_time(call: Call, client: httpx2.AsyncClient) -> None:
        for _ in range(AIO_CALLS):
            await call(client)

    async def together(call: Call, client: httpx2.AsyncClient) -> None:
        await asyncio.gather(*(one_at_a_time(call, client) for _ in range(AIO_TOGETHER)))

    async def ours() -> Any:
        return architect.service("acme/billing").aio.client

    with serving("http") as (port,), asyncio.Runner() as runner:
        architect.configure({"acme/billing": {"host": "127.0.0.1", "port": port, "api": "rest"}})
        bare, client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}"), runner.run(ours())
        for name, call in (("GET", get), ("POST of JSON", post)):
            for how, way, calls, target in (
                ("one at a time", one_at_a_time, AIO_CALLS, 0.65),
                (f"{AIO_TOGETHER} at once", together, AIO_CALLS * AIO_TOGETHER, 0.45),
            ):

                def turn(call: Call, client: Any, way: Any = way) -> None:
                    runner.run(way(call, client))

                yield compare(
                    f"REST {name}, aio, {how} / httpx2.AsyncClient",
                    partial(turn, call, client),
                    partial(turn, call, bare),
                    repeat=400 // calls,
                    unrolled=calls,
                    target=target,
                )
        runner.run(bare.aclose())
        architect.reset()


def grpc_unary() -> Iterator[Comparison]:
    import grpc

    with serving("grpc") as (port,), echo_project() as root:
        architect.configure({"acme/echo": {"host": "127.0.0.1", "port": port, "api": "grpc"}}, root=root)
        echo = architect.service("acme/echo")
        sys.path.insert(0, str(root))
        raw_messages: Any = import_module("bench_echo_pb2")
        stubs: Any = import_module("bench_echo_pb2_grpc")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            raw = stubs.EchoStub(channel)
            ours, bare = echo.defs.Word(text="hello"), raw_messages.Word(text="hello")
            yield compare(
                "gRPC unary call / raw stub",
                lambda: echo.client.Say(ours),
                lambda: raw.Say(bare),
                repeat=200,
                target=1.05,
            )
        yield grpc_aio(echo, stubs, ours, bare, port)
        architect.reset()


def grpc_aio(echo: Any, stubs: Any, ours: Any, bare: Any, port: int) -> Comparison:
    """Many calls each time that the loop runs, because what starting it costs is not what is compared."""
    import grpc

    async def call_ours() -> None:
        for _ in range(20):
            await echo.aio.client.Say(ours)

    async def open_raw() -> tuple[Any, Any]:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return channel, stubs.EchoStub(channel)

    async def call_raw() -> None:
        for _ in range(20):
            await raw.Say(bare)

    with asyncio.Runner() as runner:
        channel, raw = runner.run(open_raw())
        compared = compare(
            "gRPC unary, aio / raw aio stub",
            lambda: runner.run(call_ours()),
            lambda: runner.run(call_raw()),
            repeat=10,
            unrolled=20,
            target=1.08,
        )
        runner.run(channel.close())
    return compared


class RawPost(asyncio.Protocol):
    """A bare socket that sends the same bytes again and again, and takes whatever comes for the answer."""

    request = b"POST /event HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n" + b'{"order": 7}'
    answer: asyncio.Future[None]
    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.answer.set_result(None)

    def send(self) -> asyncio.Future[None]:
        """Returns what waits for the answer."""
        self.transport.write(self.request)
        self.answer = asyncio.get_running_loop().create_future()
        return self.answer


async def connect_raw(ports: Iterable[int]) -> list[RawPost]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(RawPost, "127.0.0.1", port))[1] for port in ports]


async def post_raw(sockets: list[RawPost]) -> None:
    for answer in [each.send() for each in sockets]:
        await answer


def publishing() -> Iterator[Comparison]:
    with serving("subscribers") as ports, asyncio.Runner() as runner:
        for addresses in (SUBSCRIBERS, 2):
            yield from publishing_to([ports[number % addresses] for number in range(SUBSCRIBERS)], runner)
    with serving("quick") as ports, asyncio.Runner() as runner:
        yield delivering(ports, runner)


def publishing_to(ports: list[int], runner: asyncio.Runner) -> Iterator[Comparison]:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    config: dict[str, Any] = {
        f"acme/s{number}": {"host": "127.0.0.1", "port": port, "api": "rest"} for number, port in enumerate(ports)
    }
    plain, signed = {"uri": "/event"}, {"uri": "/event", "secret": secret}
    subscriptions = {"placed": dict.fromkeys(config, plain), "signed": dict.fromkeys(config, signed)}
    architect.configure(config | {"acme/orders": {"subscriptions": subscriptions}}, current_service="acme/orders")
    payload = {"order": 7}
    sockets = runner.run(connect_raw(ports))

    def check(deliveries: list[architect.Delivery]) -> None:
        if not all(delivery.ok for delivery in deliveries):
            raise RuntimeError("a subscriber was not reached")

    def publish(event: str) -> None:
        check(architect.notification(event).publish(payload))

    def aio_publish() -> None:
        check(runner.run(architect.notification("placed").aio.publish(payload)))

    ways: dict[str, Callable[[], object]] = {
        "publish to": partial(publish, "placed"),
        "publish signed to": partial(publish, "signed"),
        "aio.publish to": aio_publish,
    }
    where = f"{len(ports)} at {len(set(ports))} addresses / raw asyncio sockets"
    for way, ours in ways.items():
        yield compare(f"{way} {where}", ours, lambda: runner.run(post_raw(sockets)), repeat=3, clock=time.perf_counter)
    for each in sockets:
        each.transport.abort()
    architect.reset()


def delivering(ports: list[int], runner: asyncio.Runner) -> Comparison:
    """What a relay asks of the channel: batches of a hundred, to subscribers that answer at once."""
    from architect_rest.webhooks.channel import WebhookChannel

    channel = WebhookChannel()
    several = [ports[number % len(ports)] for number in range(100)]
    subscribers = [Subscription("acme/s", "http://127.0.0.1", port, "/event") for port in several]
    event = Message("m1", "placed", "acme/orders", datetime.now(UTC), b'{"order": 7}')
    messages = [replace(event, id=f"m{number}", to=to) for number, to in enumerate(subscribers)]
    sockets = runner.run(connect_raw(several))
    name = f"a delivery, {len(ports)} quick subscribers / raw asyncio sockets"
    compared = compare(
        name,
        lambda: runner.run(channel.send(messages, 5)),
        lambda: runner.run(post_raw(sockets)),
        repeat=5,
        unrolled=len(messages),
        clock=time.perf_counter,
    )
    for each in sockets:
        each.transport.abort()
    runner.run(channel.close())
    return compared


def main() -> None:
    parser = argparse.ArgumentParser(description="What architect costs, as ratios to doing without it.")
    parser.add_argument("--old", metavar="PYTHON", help="an interpreter that has architect-sdk 0.2.1, to compare with")
    old = parser.parse_args().old
    print(f"Python {sys.version.split()[0]}, {len(os.environ)} environment variables\n{HEADER}")
    clients = (rest, rest_aio, grpc_unary, publishing)
    for suite in (
        partial(imports, old),
        plugins.loading,
        starting.first_calls,
        resolving,
        many_services,
        *clients,
        starting.memory,
    ):
        for comparison in suite():
            print(comparison, flush=True)


if __name__ == "__main__":
    main()
