"""`architect run` with an outbox, a relay, a broker and a handler: what is killed in the middle loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import PATIENCE, Run

EVENTS = 60
ORDERS = f"""
import sqlite3, time
from contextlib import closing
import architect.sdk as architect

placed = architect.notification("order_placed")
with closing(sqlite3.connect(**architect.datastore("db").for_driver("sqlite3"))) as connection:
    for number in range({EVENTS}):
        with connection:
            placed.publish({{"order": number}}, key="one", outbox=connection)
        time.sleep(0.03)
"""
LETTERS = """
import sqlite3
from contextlib import closing
import architect.sdk as architect

@architect.on("acme/orders", "order_placed")
def write(event):
    with closing(sqlite3.connect(**architect.datastore("letters").for_driver("sqlite3"))) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS letters (number integer)")
        with architect.inbox(connection, event) as is_new:
            if is_new:
                connection.execute("INSERT INTO letters VALUES (?)", (event.payload["order"],))
    print("letter", event.payload["order"])
"""
SHOP = f"""
import sqlite3, time
from contextlib import closing
import architect.sdk as architect

path = architect.datastore("letters").name
while True:
    with closing(sqlite3.connect(path)) as connection:
        try:
            numbers = [number for number, in connection.execute("SELECT number FROM letters ORDER BY rowid")]
        except sqlite3.OperationalError:
            numbers = []
    if len(numbers) >= {EVENTS}:
        break
    time.sleep(0.1)
print("in order, each once:", numbers == list(range({EVENTS})))
"""


def write(folder: Path, program: str | None, **manifest: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "architect.json").write_text(json.dumps(manifest))
    if program is not None:
        (folder / "main.py").write_text(program)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    store = {"type": "sqlite", "events": True}
    write(folder / "orders", ORDERS, name="acme/orders", datastores={"db": store}, notifications=["order_placed"])
    shared = {"type": "sqlite", "parameters": {"PATH": {"alias": "name", "default": str(tmp_path / "letters.db")}}}
    write(
        folder / "mailer",
        None,
        name="acme/mailer",
        dependencies={"acme/orders": "file:../orders"},
        datastores={"letters": {**shared, "host": "localhost", "events": True}},
        subscriptions={"acme/orders": {"order_placed": {"handler": "letters"}}},
    )
    (folder / "mailer" / "letters.py").write_text(LETTERS)
    needs = {"acme/orders": "file:./orders", "acme/mailer": "file:./mailer"}
    datastores = {"letters": {**shared, "host": "localhost"}}
    write(folder, SHOP, name="acme/shop", dependencies=needs, datastores=datastores)
    return folder


SERVERS = [pytest.param(each, marks=pytest.mark.exhaustive) for each in ("rabbitmq", "sqs")]


@pytest.mark.parametrize("broker", ["sqlite", *SERVERS])
def test_each_event_is_handled_once_and_in_order_though_relay_and_handler_are_killed(system, broker):
    run = Run(system)
    try:
        run.start(*([] if broker == "sqlite" else ["--events", broker])).wait_for("letter 3")
        for number, (folder, word) in enumerate([("/mailer", "consume"), ("/orders", "relay")], 1):
            process = run.process_of(folder, word)
            assert process is not None, run.printed()
            process.kill()
            run.wait_for("was killed and is started again", number)
        code = run.process.wait(PATIENCE)
        if "cannot be started: there is no rabbitmq-server" in run.printed():
            pytest.skip("there is no rabbitmq-server")
        assert code == 0, run.printed()
        assert "in order, each once: True" in run.printed(), run.printed()
        run.assert_nothing_is_left()
    finally:
        run.close()
