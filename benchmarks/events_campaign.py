"""Publishes events while every process is killed at random by SIGKILL, and counts those lost, doubled or overtaken.

    uv run python benchmarks/events_campaign.py --channel webhooks-postgres --events 100000

Each event is published by the outbox, in the transaction of a row of its own, with one of 97 keys. The subscriber
records each delivery and, once for each event by the inbox, an effect, in one transaction. PostgreSQL and MariaDB
listen on their default local ports. It starts a RabbitMQ of its own, which is killed too, and ministack for SQS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import architect.sdk as architect

KEYS = 97
BATCH = 20  # events of one transaction
# each campaign has its own services, and so its own queues
TOKEN = os.environ.setdefault("CAMPAIGN", f"campaign-{secrets.token_hex(4)}")
ORDERS, MAILER, EVENT = f"{TOKEN}/orders", f"{TOKEN}/mailer", "placed"
TABLES = ("campaign_published", "campaign_received", "campaign_effects")
CHANNELS = {
    "webhooks-postgres": ("postgres", None),
    "webhooks-mariadb": ("mariadb", None),
    "webhooks-sqlite": ("sqlite", None),
    "rabbitmq": ("postgres", "rabbitmq"),
    "sqs": ("postgres", "sqs"),
    "sqlite": ("sqlite", "sqlite"),
}
NUMBER = {"postgres": "bigserial", "mariadb": "bigint auto_increment", "sqlite": "integer"}
MARK = {"postgres": "%s", "mysql": "%s", "sqlite": "?"}


def connect() -> Any:
    """Returns a connection to the database of the running service."""
    db = architect.datastore("db")
    if db.engine == "postgres":
        import psycopg

        return psycopg.connect(**db.for_driver("psycopg"))
    if db.engine == "mysql":
        import pymysql  # type: ignore[import-untyped] # it ships no types

        return pymysql.connect(**db.for_driver("pymysql"))
    import sqlite3

    connection = sqlite3.connect(**db.for_driver("sqlite3"), timeout=30)
    connection.execute("pragma journal_mode = wal")
    return connection


def execute(connection: Any, statement: str, *values: object) -> Any:
    """Executes a statement with "?" for each value; returns the cursor."""
    cursor = connection.cursor()
    cursor.execute(statement.replace("?", MARK[architect.datastore("db").engine]), values)
    return cursor


def number_of(connection: Any, what: str) -> int:
    """Returns the number that a query selects."""
    return int(execute(connection, f"select {what}").fetchone()[0])


def publish(events: int) -> None:
    """Publishes the events that are not published yet, a batch in each transaction."""
    placed, connection = architect.notification(EVENT), connect()
    number = number_of(connection, "coalesce(max(n), 0) from campaign_published")
    while number < events:
        for number in range(number + 1, min(number + BATCH, events) + 1):  # noqa: B020 - the next batch
            execute(connection, "insert into campaign_published (n) values (?)", number)
            placed.publish({"n": number}, key=f"key-{number % KEYS}", outbox=connection)
        connection.commit()


_local = threading.local()


def record(event: architect.Event) -> None:
    """Records a delivery and, unless the event is known, its effect."""
    if not hasattr(_local, "connection"):
        _local.connection = connect()
    connection: Any = _local.connection
    number = event.payload["n"]
    try:
        with architect.inbox(connection, event, consumer=MAILER) as is_new:
            execute(connection, "insert into campaign_received (n) values (?)", number)
            if is_new:
                execute(connection, "insert into campaign_effects (n) values (?)", number)
        connection.commit()
    except BaseException:
        with suppress(Exception):
            connection.rollback()
        del _local.connection
        raise


architect.on(ORDERS, EVENT)(record)


def subscribe(port: int) -> None:
    """Serves the subscriber's `uri`."""

    class Subscriber(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            record(architect.Event.from_headers(dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True
        allow_reuse_address = True

    Server(("127.0.0.1", port), Subscriber).serve_forever()


@dataclass
class Role:
    """A process that is killed and started again; `process` is the one that runs, for `least` seconds at least."""

    name: str
    command: list[str]
    environ: dict[str, str] = field(repr=False)
    folder: Path
    least: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    kills: int = 0

    def start(self) -> None:
        """Starts it; its output is appended to a file of its name."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.since, cwd = time.monotonic(), Path(__file__).parent
            self.process = subprocess.Popen(
                self.command, env=self.environ, cwd=cwd, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Ends it, and what it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


@dataclass(frozen=True)
class Result:
    """What a campaign counted."""

    channel: str
    events: int
    lost: int
    doubled: int
    overtaken: int
    effects: int
    kills: dict[str, int]
    seconds: float

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        return (
            f"{self.channel}: {self.events:,} events, lost {self.lost}, doubled {self.doubled}, out of order within a "
            f"key {self.overtaken}, effects {self.effects:,}; killed: {kills}; {self.seconds:.0f} s"
        )


def run(channel: str, events: int, every: float, seed: int, patience: float = 120.0) -> Result:
    """Runs a campaign, and returns what it counted; `every` is the mean time between two kills, in seconds."""
    engine, broker = CHANNELS[channel]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True)))
        server, url = start_broker(broker, folder, stack)
        environ, port = os.environ | ({} if url is None else {"ARCHITECT_EVENTS": url}), free_port()
        datastore = stack.enter_context(database(engine, folder))
        services = configuration(datastore, port, handled=broker is not None)
        environ |= {"ARCHITECT": json.dumps(services), "ARCHITECT_DISABLED_PLUGINS": ""}
        os.environ["ARCHITECT_CURRENT_SERVICE"] = ORDERS
        architect.configure(services, current_service=ORDERS)
        stack.callback(architect.reset)
        connection = connect()
        stack.callback(connection.close)
        create_tables(connection, engine)
        orders, mailer = (
            environ | {"ARCHITECT_CURRENT_SERVICE": ORDERS},
            environ | {"ARCHITECT_CURRENT_SERVICE": MAILER},
        )
        command = str(Path(sys.executable).with_name("architect"))
        subprocess.run([command, "events", "init"], env=orders, check=True, stdout=subprocess.DEVNULL)
        own = [sys.executable, __file__]
        subscriber = [*own, "--subscribe", str(port)] if broker is None else [command, "consume", Path(__file__).stem]
        roles = [
            Role("publisher", [*own, "--publish", str(events)], orders, folder),
            Role("relay", [command, "relay", "--delays", "0.5,0.5,1,1,2,2,5,5,5,5,5,5,5,5,5,5,5,5"], orders, folder),
            Role("subscriber", subscriber, mailer, folder),
        ]
        for role in reversed(roles):
            role.start()
            stack.callback(role.kill)
        roles += [] if server is None else [server]
        start = time.monotonic()
        await_effects(connection, roles, events, random.Random(seed), every, patience, folder)
        return count(connection, channel, events, {each.name: each.kills for each in roles}, time.monotonic() - start)


def await_effects(
    connection: Any, roles: list[Role], events: int, chance: random.Random, every: float, patience: float, folder: Path
) -> None:
    """Kills and starts the roles until all effects are there, or none came for `patience` seconds.

    The time between two kills doubles until an effect comes: on a slow machine, a process that is killed again and
    again before it has started would never do anything.
    """
    publisher = roles[0]
    before, since, pause = 0, time.monotonic(), every
    next_kill = time.monotonic() + every * chance.uniform(0.3, 1.7)
    while True:
        time.sleep(0.1)
        connection.rollback()
        effects = number_of(connection, "count(*) from campaign_effects")
        now = time.monotonic()
        if effects >= events:
            break
        if effects != before:
            before, since, pause = effects, now, every
        if now - since > patience:
            logs = "\n".join(f"{each.name}: {(folder / f'{each.name}.log').read_text()[-2000:]}" for each in roles)
            print(f"no effect for {patience:g} seconds, {effects:,} of {events:,}\n{logs}", file=sys.stderr)
            return
        for role in roles:
            ended = role.process is not None and role.process.poll() is not None
            if ended and not (role is publisher and role.process is not None and role.process.returncode == 0):
                role.start()
        if now >= next_kill:
            next_kill = now + pause * chance.uniform(0.3, 1.7)
            pause *= 2
            running = [each for each in roles if each.process is not None and each.process.poll() is None]
            victim = chance.choice([each for each in running if now - each.since >= each.least] or running[:1])
            victim.kill()
            victim.kills += 1
            victim.start()
    time.sleep(1)  # for a delivery that is under way a second time
    connection.rollback()


def count(connection: Any, channel: str, events: int, kills: dict[str, int], seconds: float) -> Result:
    """Counts what arrived."""
    cursor = execute(connection, "select n from campaign_received order by id")
    received = [int(row[0]) for row in cursor.fetchall()]
    last: dict[int, int] = {}
    overtaken, seen = 0, set()
    for number in received:
        if number not in seen:
            overtaken += number < last.get(number % KEYS, 0)
            last[number % KEYS] = max(number, last.get(number % KEYS, 0))
        seen.add(number)
    effects = number_of(connection, "count(*) from campaign_effects")
    lost = events - len(seen & set(range(1, events + 1)))
    return Result(channel, events, lost, len(received) - len(seen), overtaken, effects, kills, seconds)


def create_tables(connection: Any, engine: str) -> None:
    """Creates the campaign's tables."""
    for table in TABLES:
        execute(connection, f"create table {table} (id {NUMBER[engine]} primary key, n bigint not null)")
    connection.commit()


def configuration(datastore: dict[str, Any], port: int, *, handled: bool) -> dict[str, Any]:
    """Returns the entries of both services."""
    place = {"host": "http://127.0.0.1", "port": port, "api": "rest", "datastores": {"db": datastore}}
    delivery = {"handler": Path(__file__).stem} if handled else {"uri": "/placed"}
    return {ORDERS: {**place, "subscriptions": {EVENT: {MAILER: delivery}}}, MAILER: place}


@contextmanager
def database(engine: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Yields the entry of a database of its own, which is removed at the end."""
    name = TOKEN.replace("-", "_")
    if engine == "sqlite":
        yield {"type": "sqlite", "name": str(folder / "campaign.db")}
        return
    if engine == "postgres":
        import psycopg

        server: Any = psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True)
        drop = f"drop database {name} with (force)"
        entry = {"type": "postgres", "host": "127.0.0.1", "username": "postgres", "name": name}
    else:
        import pymysql

        server, drop = pymysql.connect(host="127.0.0.1", user="root"), f"drop database {name}"
        entry = {"type": "mariadb", "host": "127.0.0.1", "username": "root", "name": name}
    with server, server.cursor() as cursor:
        cursor.execute(f"create database {name}")
        try:
            yield entry
        finally:
            cursor.execute(drop)


def start_broker(broker: str | None, folder: Path, stack: ExitStack) -> tuple[Role | None, str | None]:
    """Returns the broker, if it is killed as well, and the value of `ARCHITECT_EVENTS`."""
    if broker == "sqs":
        return None, stack.enter_context(ministack(folder))
    if broker == "sqlite":
        return None, f"sqlite:///{folder}/events.db"
    if broker is None:
        return None, None
    from architect_rabbitmq.provisioner import RabbitProvisioner

    home = folder / "rabbitmq"
    home.mkdir()
    started = RabbitProvisioner().provision({}, home, free_port())
    # a queue that was declared within the last seconds is lost with its server
    role = Role("broker", list(started.command or ()), os.environ | dict(started.env), folder, least=15.0)
    role.start()
    stack.callback(role.kill)
    if started.prepare is not None:
        started.prepare()
    return role, str(started.entry["url"])


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Runs a server of SNS and SQS; yields the value of `ARCHITECT_EVENTS`."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}", "ministack.app:app"]
    environ = os.environ | {"SERVICES": "sqs,sns", "GATEWAY_PORT": str(port)}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=folder)
    try:
        until(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        options = {"endpoint": f"http://127.0.0.1:{port}"}
        yield json.dumps({"url": "sqs://key:secret@eu-central-1", "options": options})
    finally:
        process.terminate()
        process.wait(30)


def until(attempt: Callable[[], object], seconds: float = 60.0) -> None:
    """Calls `attempt` until it raises no OSError."""
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def free_port() -> int:
    """Returns a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> int:
    """Runs what the arguments ask for; the exit code is 1 if an event was lost or had not exactly one effect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channel", choices=CHANNELS, action="append", help="default: all of them")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--every", type=float, default=3.0, help="mean seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--subscribe", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.publish is not None:
        publish(asked.publish)
    elif asked.subscribe is not None:
        subscribe(asked.subscribe)
    else:
        results = []
        for channel in asked.channel or CHANNELS:
            results.append(run(channel, asked.events, asked.every, asked.seed))
            print(results[-1], flush=True)
        return int(any(each.lost or each.effects != each.events for each in results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
