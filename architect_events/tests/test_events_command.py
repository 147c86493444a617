"""`architect events` shows what is pending or dead, and lets operators decide what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from events_databases import Database

import architect.sdk as architect
from architect_core.contract import Broker, Capabilities, Channel, Consumer, EventChannel, Message, Receipt, Received
from architect_core.exceptions import ConfigError, NoCurrentServiceError, RunError
from architect_core.resolver import Resolver
from architect_events.commands.events import EventsCommand
from architect_events.embedded import open_file
from architect_events.outbox.browsing import Browser
from architect_events.outbox.claiming import Lane
from architect_events.outbox.insert import put
from architect_events.outbox.store import Store

ORDERS = "acme/orders"
ALL = Lane(ORDERS)


@pytest.fixture
def architect_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command; returns its output, parsed if that was asked for as JSON."""

    def run(*arguments: str) -> Any:
        assert EventsCommand().run(list(arguments)) == 0
        text = capsys.readouterr().out
        return json.loads(text) if "--json" in arguments else text

    return run


def configure(monkeypatch: pytest.MonkeyPatch, **datastores: Any) -> None:
    config = {ORDERS: {"datastores": datastores, "subscriptions": {"placed": {"acme/mailer": {"handler": "letters"}}}}}
    monkeypatch.setenv("ARCHITECT", json.dumps(config))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", ORDERS)


@pytest.fixture
def outbox(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    configure(monkeypatch, db=database.entry, cache={"type": "redis", "host": "127.0.0.1"})
    store = Store(Resolver().datastore("db"), "the datastore 'db'")
    yield store
    store.database.close()


def publish(
    database: Database, id_: str, *, age: float = 0.0, event: str = "placed", body: bytes = b'{"n": 7}'
) -> None:
    time = datetime.now(UTC) - timedelta(seconds=age)
    with closing(database.connect()) as connection:
        put(connection, Message(id_, event, ORDERS, time, body, key="ada", headers={"traceparent": "00-1"}))


def bury(store: Store, problem: str = "status 410") -> None:
    for row in store.claim(ALL, "me", 9, 30.0):
        store.dead(row, problem)


def states(database: Database) -> list[tuple[str, str]]:
    return [tuple(row) for row in database.execute("SELECT message_id, state FROM architect_outbox ORDER BY id")]


def test_the_tables_are_created_in_the_only_datastore_that_can_hold_them(new, database, monkeypatch, architect_events):
    empty = new(database.engine, tables=False)
    configure(monkeypatch, db=empty.entry, cache={"type": "redis", "host": "127.0.0.1"})
    with pytest.raises(ConfigError, match="has no table architect_outbox; `architect events init` creates it"):
        architect_events("list")
    assert architect_events("init") == "the tables of events exist in the datastore 'db'\n"
    architect_events("init")
    assert architect_events("list") == "the datastore 'db': none\n"


def test_the_sql_is_what_creates_the_tables(new, database, monkeypatch, architect_events):
    empty = new(database.engine, tables=False)
    configure(monkeypatch, db=empty.entry)
    for statement in architect_events("init", "--sql").split(";\n"):
        if statement.strip():
            empty.execute(statement)
    publish(empty, "e1")
    assert architect_events("list", "--json")[0]["events"][0]["id"] == "e1"


def test_a_list_has_counts_and_ages_and_no_payloads(database, outbox, architect_events):
    publish(database, "old", age=7300)
    bury(outbox)
    publish(database, "new", age=190)
    text = architect_events("list")
    first, header, *rows = text.splitlines()
    assert first == "the datastore 'db': 1 pending (the oldest for 3 m), 1 dead (the oldest for 2 h)"
    assert header.split() == ["ID", "EVENT", "SUBSCRIBER", "STATE", "ATTEMPTS", "AGE", "NEXT"]
    assert [" ".join(row.split()) for row in rows] == [
        "old placed - dead 1 2 h status 410",
        "new placed - pending 0 3 m now",
    ]
    assert '{"n": 7}' not in text
    assert '{"n": 7}' in architect_events("list", "--payload")


def test_json_has_the_same_and_payloads_only_where_they_are_wanted(database, outbox, architect_events):
    publish(database, "e1", age=60)
    (place,) = architect_events("list", "--json")
    assert place["place"] == "the datastore 'db'"
    (count,) = place["counts"]
    assert count.pop("oldest_seconds") == pytest.approx(60, abs=20)
    assert count == {"source": ORDERS, "event": "placed", "subscriber": None, "state": "pending", "count": 1}
    (event,) = place["events"]
    assert event["key"] == "ada"
    assert "payload" not in event
    assert architect_events("list", "--json", "--payload")[0]["events"][0]["payload"] == {"n": 7}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"text", {"payload": "text"}),
        (b"\xff", {"payload_base64": "/w=="}),
        (b"[1]", {"payload": [1]}),
        (b"[NaN]", {"payload": "[NaN]"}),
        (b"1e999", {"payload": "1e999"}),
    ],
    ids=["text", "bytes", "JSON", "no number", "infinity"],
)
def test_any_payload_can_be_shown(shared, monkeypatch, architect_events, body, shown):
    database = shared("sqlite")
    configure(monkeypatch, db=database.entry)
    publish(database, "e1", body=body)
    (event,) = architect_events("show", "e1", "--json", "--payload")
    assert {key: value for key, value in event.items() if key.startswith("payload")} == shown


def test_a_list_can_be_narrowed(database, outbox, architect_events):
    publish(database, "e1", age=7200)
    publish(database, "e2", event="paid")
    outbox.expand(ORDERS, {"paid": ["acme/mailer"]}, 9)

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in architect_events("list", "--json", *options)[0]["events"]]

    assert ids() == ["e1", "e2"]
    assert ids("--event", "paid") == ids("--subscriber", "acme/mailer") == ids("--since", "1h") == ["e2"]
    assert ids("--limit", "1") == ids("--event", "placed") == ["e1"]
    assert ids("--state", "dead") == []
    assert "and 1 more: --limit shows them" in architect_events("list", "--limit", "1")


def test_a_row_in_delivery_is_shown_as_such_and_left_to_its_relay(database, outbox, architect_events):
    publish(database, "e1")
    (row,) = outbox.claim(ALL, "me", 1, 30.0)
    assert "being delivered" in architect_events("list")
    for action in ("retry", "discard"):
        with pytest.raises(RunError, match="or a relay delivers it at this moment"):
            architect_events(action, "e1")
    assert outbox.delivered([row]) == 1


def test_an_id_that_is_no_unicode_text_is_one_message(outbox, architect_events):
    with pytest.raises(RunError, match="surrogates not allowed"):
        architect_events("show", "\udcff")


def test_one_event_is_shown_with_everything_but_its_payload(database, outbox, architect_events):
    publish(database, "e1")
    bury(outbox, "status 500\nforged: line")
    text = architect_events("show", "e1")
    assert "event: placed of acme/orders\n" in text
    assert "problem: status 500\\nforged: line\n" in text
    assert "header traceparent: 00-1\n" in text
    assert "payload" not in text
    assert 'payload: {"n": 7}' in architect_events("show", "e1", "--payload")
    with pytest.raises(RunError, match="there is no event 'e9' in the datastore 'db'"):
        architect_events("show", "e9")


def test_dead_events_are_listed_and_attempted_again_as_if_for_the_first_time(database, outbox, architect_events):
    publish(database, "e1")
    bury(outbox)
    publish(database, "e2")
    assert [each["id"] for each in architect_events("dead", "--json")[0]["events"]] == ["e1"]
    assert architect_events("retry", "e1") == "the datastore 'db': 1 retried\n"
    assert [(row.message.id, row.attempts) for row in outbox.claim(ALL, "me", 9, 30.0)] == [("e1", 1), ("e2", 1)]


def test_what_waits_for_another_attempt_is_attempted_now(database, outbox, architect_events):
    publish(database, "e1")
    outbox.retry(outbox.claim(ALL, "me", 1, 30.0)[0], 3600.0)
    assert "in 60 m" in architect_events("list")
    architect_events("retry", "--all")
    assert len(outbox.claim(ALL, "me", 1, 30.0)) == 1


def test_all_discards_only_what_is_dead_and_an_id_anything(database, outbox, architect_events):
    publish(database, "e1")
    bury(outbox)
    publish(database, "e2")
    assert architect_events("discard", "--all", "--json") == [{"place": "the datastore 'db'", "count": 1}]
    assert states(database) == [("e2", "pending")]
    architect_events("discard", "e2")
    assert states(database) == []


@pytest.mark.parametrize("arguments", [["retry"], ["discard"], ["retry", "e1", "--all"]])
def test_nothing_is_changed_without_saying_what(arguments, architect_events):
    with pytest.raises(RunError, match="say which, by their ids or by --all, and not by both"):
        architect_events(*arguments)


def test_events_that_were_kept_after_their_delivery_are_replayed_since_a_time(database, outbox, architect_events):
    for number, age in enumerate((7200, 60, 30)):
        publish(database, f"e{number}", age=age)
    outbox.delivered(outbox.claim(ALL, "me", 9, 30.0), 3600.0)
    publish(database, "e3")
    since = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    assert architect_events("replay", "--since", since) == "the datastore 'db': 2 replayed\n"
    assert [row.message.id for row in outbox.claim(ALL, "me", 9, 30.0)] == ["e1", "e2", "e3"]
    assert architect_events("replay", "--since", "3h", "--event", "paid", "--json")[0]["count"] == 0
    assert states(database)[0] == ("e0", "delivered")


@pytest.mark.parametrize("since", ["yesterday", "5x", "", "9999999999999d", "900000d", "0001-01-01T00:00+14:00"])
def test_a_malformed_time_is_refused(since, architect_events, capsys):
    with pytest.raises(SystemExit):
        architect_events("replay", "--since", since)
    assert f"--since: {since!r} is no time, such as" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "many", "1e3", "99999999999999999999"])
def test_a_malformed_number_is_refused(limit, architect_events, capsys):
    with pytest.raises(SystemExit):
        architect_events("list", "--limit", limit)
    assert f"--limit: {limit!r} is no whole number from 1 on" in capsys.readouterr().err


def test_the_backlog_is_counted_for_one_service(database, outbox):
    browser = Browser(outbox.database)
    assert browser.backlog(ORDERS) == (0, 0.0, 0)
    publish(database, "e1")
    bury(outbox)
    publish(database, "e2", age=60)
    publish(database, "e3")
    pending, oldest, dead = browser.backlog(ORDERS)
    assert (pending, dead) == (2, 1)
    assert oldest == pytest.approx(60, abs=20)
    assert browser.backlog("acme/other") == (0, 0.0, 0)


def test_a_server_that_is_away_is_one_message(monkeypatch, architect_events):
    configure(monkeypatch, db={"type": "postgres", "host": "127.0.0.1", "port": 1, "name": "x", "password": "hunter2"})
    with pytest.raises(RunError, match="architect events list: the datastore 'db': ") as caught:
        architect_events("list")
    assert "hunter2" not in str(caught.value)


def test_several_datastores_need_a_name(shared, monkeypatch, architect_events):
    database = shared("sqlite")
    configure(monkeypatch, one=database.entry, two=database.entry)
    with pytest.raises(ConfigError, match="say --datastore and one of one, two"):
        architect_events("list")
    assert architect_events("list", "--datastore", "two") == "the datastore 'two': none\n"


def test_a_service_without_an_outbox_or_a_broker_is_told_so(monkeypatch, architect_events):
    configure(monkeypatch)
    for action in ("list", "init"):
        with pytest.raises(
            ConfigError, match="has no datastore that can hold an outbox, and ARCHITECT_EVENTS names no"
        ):
            architect_events(action)


def test_a_database_in_memory_holds_no_outbox(shared, monkeypatch, architect_events):
    memory = {"type": "sqlite", "name": ":memory:"}
    configure(monkeypatch, db=shared("sqlite").entry, cache=memory)
    assert architect_events("list") == "the datastore 'db': none\n"
    with pytest.raises(ConfigError, match="the datastore 'cache': is in memory"):
        architect_events("init", "--datastore", "cache")
    configure(monkeypatch, cache=memory)
    with pytest.raises(ConfigError, match="has no datastore that can hold an outbox"):
        architect_events("init")


def test_a_command_of_no_service_is_told_so(monkeypatch, tmp_path, architect_events):
    monkeypatch.chdir(tmp_path)
    for action in ("list", "init"):
        with pytest.raises(NoCurrentServiceError, match="Set ARCHITECT_CURRENT_SERVICE"):
            architect_events(action)


def test_the_events_file_is_a_place_like_an_outbox(tmp_path, monkeypatch, architect_events):
    configure(monkeypatch)
    path = tmp_path / "events.db"
    monkeypatch.setenv("ARCHITECT_EVENTS", f"sqlite:///{path}")
    assert "architect_subscription" in architect_events("init", "--sql")
    architect.notification("placed").publish({"n": 7})
    broker = Resolver().broker()
    assert broker is not None
    file = open_file(broker)
    lane = Lane(ORDERS, "acme/mailer")
    (row,) = file.claim(lane, "me", 9, 30.0)
    file.dead(row, "ValueError")
    assert architect_events("dead").splitlines()[0].startswith(f"the events file {path}: 1 dead")
    architect_events("retry", row.message.id)
    assert len(file.claim(lane, "me", 9, 30.0)) == 1
    file.database.close()


class Letters(Channel, Consumer):
    """A broker with dead letters in memory."""

    def __init__(self, received: list[Received]) -> None:
        self.left = received
        self.again: list[str] = []
        self.asked: list[tuple[str, bool]] = []

    async def send(self, messages: Any, timeout: float) -> list[Receipt]:
        raise AssertionError

    def consumer(self, subscriber: str, topics: Any, limit: int, *, dead: bool = False) -> Consumer:
        self.asked.append((subscriber, dead))
        self.given = False
        return self

    async def receive(self, limit: int, timeout: float) -> list[Received]:
        given, self.given = self.given, True
        return [] if given else list(self.left)

    async def ack(self, received: Any) -> None:
        self.left = [each for each in self.left if each not in received]

    async def retry(self, received: Received, delay: float) -> None:
        await self.ack([received])
        self.again.append(received.message.id)

    async def dead(self, received: Received, reason: str) -> None:
        raise AssertionError

    async def close(self) -> None:
        pass


class Plugin(EventChannel):
    capabilities = Capabilities()

    def __init__(self, letters: Letters) -> None:
        self.letters = letters

    def open(self, broker: Broker | None) -> Channel:
        return self.letters


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    """A broker of another scheme, at which the service's only subscriber has two dead letters."""
    now = datetime.now(UTC)
    messages = [
        Message(f"e{number}", "placed", ORDERS, now, b"{}", headers={"architect-reason": "why"}) for number in range(2)
    ]
    letters = Letters([Received(each, 1, None) for each in messages])
    configure(monkeypatch)
    monkeypatch.setenv("ARCHITECT_EVENTS", "amqp://broker")
    monkeypatch.setattr(Resolver, "broker", lambda self: Broker("amqp", None, "the environment"))  # type: ignore[arg-type]
    monkeypatch.setattr(Resolver, "channel", lambda self, name: Plugin(letters))
    return letters


def test_dead_letters_of_a_broker_are_listed_and_stay(letters, architect_events):
    (place,) = architect_events("dead", "--json")
    assert place["place"] == "the dead letters of the amqp broker"
    assert [(each["id"], each["subscriber"], each["state"]) for each in place["events"]] == [
        ("e0", "acme/mailer", "dead"),
        ("e1", "acme/mailer", "dead"),
    ]
    assert [each["problem"] for each in place["events"]] == ["why", "why"]
    assert letters.asked[0] == ("acme/mailer", True)
    assert len(letters.left) == 2
    assert architect_events("list", "--subscriber", "acme/other") == "the dead letters of the amqp broker: none\n"


def test_dead_letters_of_a_broker_are_retried_and_discarded_by_id(letters, architect_events):
    assert architect_events("retry", "e1") == "the dead letters of the amqp broker: 1 retried\n"
    assert letters.again == ["e1"]
    architect_events("discard", "--all")
    assert letters.left == []
    with pytest.raises(RunError, match="none of these is in the dead letters of the amqp broker"):
        architect_events("retry", "e1")


def test_a_datastore_without_tables_is_no_place_beside_a_broker(letters, new, monkeypatch, architect_events):
    configure(monkeypatch, db=new("sqlite", tables=False).entry)
    assert [each["place"] for each in architect_events("list", "--json")] == ["the dead letters of the amqp broker"]
    configure(monkeypatch, db=new("sqlite").entry)
    assert len(architect_events("list", "--json")) == 2


def test_dead_letters_of_a_broker_are_listed_beside_several_datastores(letters, new, monkeypatch, architect_events):
    configure(monkeypatch, one=new("sqlite").entry, two=new("sqlite", tables=False).entry)
    places = [each["place"] for each in architect_events("dead", "--json")]
    assert places == ["the datastore 'one'", "the dead letters of the amqp broker"]
