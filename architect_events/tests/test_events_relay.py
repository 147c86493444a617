"""`architect relay`, from a real outbox to real HTTP subscribers."""

from __future__ import annotations

import asyncio
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from events_system import Subscriber, System, eventually, subscriber
from standardwebhooks import Webhook

from architect_core.contract import ClientObserver, Outcome
from architect_events.consuming.relaying import Relay, Settings
from architect_events.publishing import channels
from architect_events.schedule import Schedule

SECRET = "whsec_" + b64encode(b"k" * 32).decode()


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.fixture
def mailer(system: System) -> Iterator[Subscriber]:
    with subscriber() as mine:
        system.subscribe(mine.port)
        yield mine


def test_events_of_an_outbox_reach_every_subscriber_and_leave_it(system: System, mailer: Subscriber) -> None:
    with subscriber() as audit:
        system.subscribe(audit.port, "acme/audit", headers={"x-token": "t"})
        system.init()
        system.publish(5)
        code, log = system.run("relay", "--until-empty")
    assert code == 0, log
    assert sorted(mailer.numbers) == sorted(audit.numbers) == [0, 1, 2, 3, 4]
    assert sorted(mailer.ids) == sorted(audit.ids)
    assert {headers["x-token"] for headers, _ in audit.requests} == {"t"}
    assert system.rows() == []
    assert "10 delivered, 0 attempts failed, 0 dead" in log


def test_each_event_is_posted_to_its_own_uri(system: System, mailer: Subscriber) -> None:
    system.subscribe(mailer.port, event="paid", headers={"x-event": "paid"})
    system.init()
    system.publish(1, first=1)
    system.publish(1, first=2, event="paid")
    system.run("relay", "--until-empty")
    assert sorted(
        (number, headers.get("x-event")) for number, (headers, _) in zip(mailer.numbers, mailer.requests, strict=True)
    ) == [(1, None), (2, "paid")]


def test_a_failed_delivery_is_kept_for_its_next_attempt_and_the_exit_code_says_so(
    system: System, mailer: Subscriber
) -> None:
    system.init()
    mailer.statuses.append(503)
    system.publish(1)
    code, log = system.run("relay", "--until-empty")
    assert code == 1
    assert "status 503" in log
    assert system.rows() == [("acme/mailer", 1, "pending")]
    ((delay,),) = system.rows("next_at - (julianday('now') - 2440587.5) * 86400")
    assert 3 < delay < 7


def test_a_subscriber_that_is_gone_makes_a_dead_letter(system: System, mailer: Subscriber) -> None:
    system.init()
    mailer.statuses.append(410)
    system.publish(1)
    code, log = system.run("relay", "--until-empty")
    assert code == 1
    assert system.rows("state, problem") == [("dead", "status 410")]
    assert "1 dead" in log


def test_the_delays_can_be_given_and_after_the_last_one_an_event_is_dead(system: System, mailer: Subscriber) -> None:
    system.init()
    mailer.statuses.extend([500] * 3)
    system.publish(1)
    with system.started("relay", "--delays", "0.05,0.1"):
        mailer.wait(3)
        eventually(lambda: system.rows() == [("acme/mailer", 3, "dead")])


def test_delivered_events_are_kept_for_a_replay_as_long_as_asked(system: System, mailer: Subscriber) -> None:
    system.init()
    system.publish(2)
    system.run("relay", "--until-empty", "--keep", "1")
    assert system.rows() == [("acme/mailer", 1, "delivered")] * 2
    with system.store().database.cursor() as cursor:  # as if the hour were over
        cursor.run("UPDATE architect_outbox SET next_at = 0")
    system.run("relay", "--until-empty", "--keep", "1")
    assert system.rows() == []
    assert mailer.numbers in ([0, 1], [1, 0])


@pytest.mark.parametrize("arguments", [["--concurrency", "0"], ["--delays", "5,-1"], ["--timeout", "inf"], ["--bogus"]])
def test_a_wrong_argument_is_an_error_of_usage(system: System, arguments: list[str]) -> None:
    code, log = system.run("relay", *arguments)
    assert code == 2
    assert "usage: architect relay" in log


def test_a_subscriber_that_hangs_delays_no_other(system: System, mailer: Subscriber) -> None:
    with subscriber() as audit, ExitStack() as stack:
        system.subscribe(audit.port, "acme/audit")
        system.init()
        mailer.gate.clear()
        system.publish(60)
        stack.enter_context(system.started("relay", "--concurrency", "4"))
        audit.wait(60)
        assert len(mailer.requests) <= 4


def test_events_of_a_key_arrive_in_order_though_some_fail_and_two_relays_run(
    system: System, mailer: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("architect_events.consuming.relaying.DELIVERIES", Schedule((0.1,) * 9))
    system.init()
    system.publish(20, key="ada")
    system.publish(20, first=100)
    mailer.statuses.extend([200] * 9 + [429, 500, 200] * 3)

    def relay() -> Relay:
        return Relay(system.resolver(), channels(), system.store(), Settings(concurrency=4))

    async def run() -> None:
        while system.rows():
            await asyncio.gather(relay().run(until_empty=True), relay().run(until_empty=True))

    channels().loop.run(run())
    accepted = dict.fromkeys(number for number in reversed(mailer.numbers) if number < 100)
    assert list(reversed(accepted)) == list(range(20))
    assert set(mailer.numbers) == {*range(20), *range(100, 120)}


def test_two_relays_share_the_work_and_deliver_everything_once(system: System, mailer: Subscriber) -> None:
    system.init()
    with system.started("relay") as one, system.started("relay") as other:
        one.wait_for("begins")
        other.wait_for("begins")
        system.publish(300)
        mailer.wait(300)
        eventually(lambda: not system.rows())
        for each in (one, other):
            each.signal(signal.SIGTERM)
        ends = [each.end() for each in (one, other)]
    assert sorted(mailer.numbers) == list(range(300))
    assert [code for code, _ in ends] == [0, 0]


def test_a_relay_that_is_killed_loses_nothing(system: System, mailer: Subscriber) -> None:
    system.init()
    mailer.gate.clear()
    system.publish(40)
    with system.started("relay", "--concurrency", "8") as process:
        mailer.wait(8)
        process.signal(signal.SIGKILL)
        process.end()
    mailer.gate.set()
    with system.store().database.cursor() as cursor:  # as if the leases had ended
        cursor.run("UPDATE architect_outbox SET next_at = 0")
    code, log = system.run("relay", "--until-empty")
    assert code == 0, log
    assert set(mailer.numbers) == set(range(40))
    assert len(mailer.numbers) == 48


def test_on_sigterm_what_is_being_posted_ends_and_the_rest_stays(system: System, mailer: Subscriber) -> None:
    system.init()
    mailer.gate.clear()
    system.publish(10)
    with system.started("relay", "--concurrency", "2") as process:
        mailer.wait(2)
        process.signal(signal.SIGTERM)
        process.wait_for("2 calls that run may end")
        mailer.gate.set()
        code, log = process.end()
    assert code == 0
    assert "2 delivered" in log
    assert len(mailer.numbers) == 2
    assert system.rows("attempts, lease") == [(0, None)] * 8


def test_a_missing_table_is_an_error_that_says_what_to_run(system: System, mailer: Subscriber) -> None:
    system.database.touch()
    code, log = system.run("relay")
    assert code == 1
    assert "architect events init" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "there is nothing to relay"),
        ({"a": "sqlite:///a.db", "b": "sqlite:///b.db"}, "say --datastore and one of a, b"),
    ],
)
def test_a_service_without_one_outbox_is_told_what_to_do(
    system: System, mailer: Subscriber, change: dict[str, str], message: str
) -> None:
    system.services["acme/orders"]["datastores"] = {name: {"url": url} for name, url in change.items()}
    code, log = system.run("relay")
    assert code == 1
    assert message in log


def test_a_handler_needs_a_broker_and_the_error_says_so(system: System) -> None:
    system.handle()
    system.init()
    code, log = system.run("relay")
    assert code == 1
    assert "acme/letters takes it from a broker, with a handler: set ARCHITECT_EVENTS" in log


@pytest.fixture
def broker(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


def test_with_a_broker_events_go_through_it_to_subscribers_with_a_url(
    system: System, mailer: Subscriber, broker: str
) -> None:
    system.handle()
    system.subscribe(mailer.port, headers={"x-token": "t"}, secret=SECRET)
    system.init()
    system.publish(250, key="ada")
    code, log = system.run("relay", "--until-empty", events=broker)
    assert code == 0, log
    assert mailer.numbers == list(range(250))
    headers, body = mailer.requests[0]
    assert headers["x-token"] == "t"
    Webhook(SECRET).verify(body, dict(headers))
    assert system.rows() == []


def test_rows_of_the_time_before_the_broker_are_delivered_too(system: System, mailer: Subscriber, broker: str) -> None:
    system.init()
    mailer.statuses.append(503)
    system.publish(1)
    system.run("relay", "--until-empty")
    with system.store().database.cursor() as cursor:
        cursor.run("UPDATE architect_outbox SET next_at = 0")
    code, _ = system.run("relay", "--until-empty", events=broker)
    assert (code, mailer.numbers, system.rows()) == (0, [0, 0], [])


@pytest.mark.parametrize("arguments", [[], ["--no-outbox"]], ids=["no datastore", "--no-outbox"])
def test_without_an_outbox_the_relay_posts_what_is_in_the_broker(
    system: System, mailer: Subscriber, broker: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    if not arguments:
        del system.services["acme/orders"]["datastores"]
    monkeypatch.setenv("ARCHITECT_EVENTS", broker)
    system.resolver().notification("placed").publish({"order": 7})
    code, log = system.run("relay", "--until-empty", *arguments, events=broker)
    assert code == 0, log
    assert mailer.numbers == [7]


def test_two_services_whose_events_one_subscriber_gets_post_each_their_own(
    system: System, mailer: Subscriber, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.services["acme/billing"] = {"subscriptions": {"paid": {"acme/mailer": {"uri": "/paid"}}}}
    monkeypatch.setenv("ARCHITECT_EVENTS", broker)
    system.resolver("acme/billing").notification("paid").publish({"order": 1})
    system.init()
    system.publish(1, first=2)
    system.run("relay", "--until-empty", events=broker)
    assert mailer.numbers == [2]
    system.run("relay", "--until-empty", service="acme/billing", events=broker)
    assert mailer.numbers == [2, 1]


def test_a_channel_that_keeps_nothing_is_no_broker(system: System, mailer: Subscriber) -> None:
    system.init()
    code, log = system.run("relay", events="rest://127.0.0.1")
    assert code == 1
    assert "ARCHITECT_EVENTS" in log
    assert "Traceback" not in log


def test_an_observer_is_told_how_much_is_in_the_outbox(
    system: System, mailer: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[tuple[int, float, int]] = []

    class Observer(ClientObserver):
        def ended(self, outcome: Outcome) -> None:
            raise AssertionError

        def backlog(self, pending: int, oldest: float, dead: int) -> None:
            reported.append((pending, oldest, dead))

    monkeypatch.setattr("architect_events.consuming.relaying.client_observer", lambda *_: Observer())
    mailer.statuses.extend([500, 500])
    system.init()
    system.publish(2)
    for _ in range(2):
        relay = Relay(system.resolver(), channels(), system.store(), Settings())
        channels().loop.run(relay.run(until_empty=True))
    assert reported[-1][0] == 2
    assert 0 < reported[-1][1] < 60
    assert reported[-1][2] == 0
