"""An environment without settings of architect, and servers of databases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from events_databases import (
    ENGINES,
    LIBRARIES,
    AioClient,
    Client,
    Database,
    mysql_server,
    new_database,
    postgres_server,
)

import architect.sdk as architect


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if (name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    yield
    architect.reset()


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Database]]:
    """Returns a server's database, by the engine; each is started when it is first asked for."""
    started: dict[str, Database] = {}
    with ExitStack() as stack:

        def get(engine: str) -> Database:
            if engine not in started:
                started[engine] = stack.enter_context({"postgres": postgres_server, "mysql": mysql_server}[engine]())
            return started[engine]

        yield get


@pytest.fixture
def new(servers: Callable[[str], Database], tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Creates a database of an engine for the test, with the tables of events."""
    with ExitStack() as stack:

        def create(engine: str, *, tables: bool = True) -> Database:
            server = Database("sqlite", str(tmp_path)) if engine == "sqlite" else servers(engine)
            return stack.enter_context(new_database(server, tables=tables))

        yield create


@pytest.fixture(scope="module")
def shared(
    servers: Callable[[str], Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Database]]:
    """Returns a database of an engine for the module, whose tables are empty."""
    made: dict[tuple[str, bool], Database] = {}
    with ExitStack() as stack:

        def get(engine: str, *, tables: bool = True) -> Database:
            key = engine, tables
            if key not in made:
                folder = str(tmp_path_factory.mktemp("sqlite"))
                server = Database("sqlite", folder) if engine == "sqlite" else servers(engine)
                made[key] = stack.enter_context(new_database(server, tables=tables))
            elif tables:
                made[key].execute("DELETE FROM architect_outbox", "DELETE FROM architect_inbox")
            return made[key]

        yield get


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, shared: Callable[..., Database]) -> Database:
    """A database of each engine, whose tables are empty."""
    return shared(request.param)


@pytest.fixture
def opened(shared: Callable[..., Database]) -> Iterator[Callable[..., tuple[Database, Client | AioClient]]]:
    """Connects by a library to a database whose tables are empty; returns both."""
    clients: list[Client | AioClient] = []

    def connect(library: str, *, tables: bool = True) -> tuple[Database, Client | AioClient]:
        engine, over = LIBRARIES[library]
        database = shared(engine, tables=tables)
        clients.append(over(database))
        return database, clients[-1]

    yield connect
    for client in clients:
        client.close()
