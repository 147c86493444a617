"""Publishing keeps an event, or asks its subscribers, and says which of them failed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

import architect.sdk as architect

CHANNEL = """
import asyncio
from architect_core.contract import Capabilities, Channel, EventChannel, Receipt, hookimpl

ARCHITECT_CONTRACT = 2
sent, declared, closed = [], [], []
answer = lambda message: Receipt(status=200, elapsed=0.01)
delay = 0

class Memory(Channel):
    def __init__(self, broker):
        self.broker = broker
    async def send(self, messages, timeout):
        await asyncio.sleep(delay)
        sent.extend(messages)
        return [answer(message) for message in messages]
    async def declare(self, topics):
        declared.extend(topics)

class Factory(EventChannel):
    capabilities = Capabilities(keeps=KEEPS, max_bytes=100, orders=ORDERS)
    def open(self, broker):
        return Memory(broker)

@hookimpl
def architect_event_channel():
    return Factory()
"""


@pytest.fixture
def channel(install_plugin):
    """Installs a channel in memory under a name; returns its module."""
    made: list[str] = []

    def install(name: str, *, keeps: bool = False, orders: bool = True, source: str = CHANNEL) -> Any:
        module = f"channel_{len(made)}_{name.replace('.', '_')}"
        made.append(module)
        install_plugin(
            f"architect-{module}",
            {f"events.{name}": module},
            {module: source.replace("KEEPS", str(keeps)).replace("ORDERS", str(orders))},
        )
        return __import__(module)

    yield install
    for module in made:
        del sys.modules[module]


def configure(**subscribers: Any) -> architect.Notification:
    """The event "placed" of acme/orders, with subscribers by name: their protocol, or their entry."""
    entries: dict[str, Any] = {"acme/orders": {"subscriptions": {"placed": {}}}}
    for name, api in subscribers.items():
        delivery = {"uri": f"/{name}"} if isinstance(api, str) else api
        entries["acme/orders"]["subscriptions"]["placed"][name] = delivery
        if isinstance(api, str):
            entries[name] = {"host": "127.0.0.1", "port": 1, "api": api}
    architect.configure(entries, current_service="acme/orders")
    return architect.notification("placed")


def publish_by(how: str, notification: architect.Notification, payload: object, **options: Any) -> Any:
    if how == "sync":
        return notification.publish(payload, **options)
    return asyncio.run(notification.aio.publish(payload, **options))


both = pytest.mark.parametrize("how", ["sync", "aio"])


@both
def test_every_subscriber_is_asked_by_the_channel_of_its_protocol(channel, how):
    owl, dove = channel("owl"), channel("dove")
    deliveries = publish_by(how, configure(a="owl", b="dove", c="owl"), {"order": 7}, key="ada")
    assert [(each.subscription.name, each.status, each.ok) for each in deliveries] == [
        ("a", 200, True),
        ("b", 200, True),
        ("c", 200, True),
    ]
    assert [message.to.name for message in owl.sent] == ["a", "c"]
    (message,) = dove.sent
    assert (message.event, message.source, message.body, message.key) == (
        "placed",
        "acme/orders",
        b'{"order": 7}',
        "ada",
    )
    assert {each.id for each in owl.sent} == {message.id}


@both
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise ZeroDivisionError", ZeroDivisionError),
        ("return []", architect.PluginError),
        ("return [7]", architect.PluginError),
        ("return None", TypeError),
    ],
)
def test_a_broken_channel_hides_no_result_of_another(channel, how, body, error):
    channel("owl")
    channel("bad", source=CHANNEL.replace("await asyncio.sleep(delay)", body))
    good, bad = publish_by(how, configure(a="owl", b="bad"), {})
    assert good.ok
    assert isinstance(bad.error, error)


def test_a_protocol_without_a_channel_fails_its_own_subscribers_only(channel):
    channel("owl")
    good, missing = configure(a="owl", b="smtp").publish({})
    assert good.ok
    assert isinstance(missing.error, architect.NoPluginError)
    assert "'events.smtp'" in str(missing.error)


def test_a_channel_that_never_answers_is_given_up(channel, monkeypatch):
    monkeypatch.setattr("architect_events.publishing.SLACK", 0.1)
    slow = channel("owl")
    slow.delay = 60
    (delivery,) = configure(a="owl").publish({}, timeout=0.1)
    assert isinstance(delivery.error, TimeoutError)


@both
@pytest.mark.parametrize("per_loop", [False, True])
@pytest.mark.parametrize("hangs", ["sends", "declares"])
def test_a_broker_s_channel_that_never_answers_is_given_up(channel, monkeypatch, how, per_loop, hangs):
    for module in ("publishing", "together"):
        monkeypatch.setattr(f"architect_events.{module}.SLACK", 0.1)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    source = CHANNEL.replace("orders=", f"per_loop={per_loop}, orders=")
    if hangs == "declares":
        source = source.replace("declared.extend(topics)", "await asyncio.sleep(60)")
    channel("owl", keeps=True, source=source).delay = 60
    started = time.monotonic()
    with pytest.raises(architect.PublishError, match=r"did not confirm within 0\.1 seconds"):
        publish_by(how, configure(a={"handler": "letters"}), {}, timeout=0.1)
    assert time.monotonic() - started < 5


@both
def test_declaring_and_sending_take_no_longer_than_the_timeout_together(channel, monkeypatch, how):
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    source = CHANNEL.replace("await asyncio.sleep(delay)", "seconds.append(timeout)")
    source = source.replace("declared.extend(topics)", "await asyncio.sleep(0.2)").replace("delay = 0", "seconds = []")
    owl = channel("owl", keeps=True, source=source)
    placed = configure(a={"handler": "letters"})
    for _ in range(2):
        publish_by(how, placed, {}, timeout=1.0)
    assert 0 < owl.seconds[0] <= 0.8
    assert owl.seconds[1] == 1.0


def test_a_subscriber_with_a_handler_needs_a_broker():
    (delivery,) = configure(a={"handler": "letters"}).publish({})
    assert isinstance(delivery.error, architect.ConfigError)
    assert "set ARCHITECT_EVENTS" in str(delivery.error)


@both
def test_a_broker_keeps_the_event_and_nobody_else_is_asked(channel, monkeypatch, how):
    owl, dove = channel("owl", keeps=True), channel("dove")
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://me:s3cret@broker")
    placed = configure(a="dove", b={"handler": "letters"})
    for number in range(2):
        assert publish_by(how, placed, {"order": number}) == []
    assert [message.to for message in owl.sent] == [None, None]
    assert dove.sent == []
    ((topic),) = owl.declared
    assert (topic.event, topic.source, topic.subscribers) == ("placed", "acme/orders", ("a@acme/orders", "b"))


@both
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("Receipt(OSError('the login is refused'))", "did not keep it: the login is refused"),
        ("Receipt(TimeoutError())", "did not confirm within 5 seconds"),
        ("1 / 0", "did not keep it: division by zero"),
    ],
)
def test_an_event_that_the_broker_does_not_keep_is_an_error(channel, monkeypatch, how, answer, says):
    source = CHANNEL.replace("Receipt(status=200, elapsed=0.01)", answer)
    channel("owl", keeps=True, source=source)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://me:s3cret@broker")
    with pytest.raises(architect.PublishError, match=says) as caught:
        publish_by(how, configure(a="owl"), {}, timeout=5)
    assert "s3cret" not in repr(caught.value)


@both
def test_an_option_of_the_broker_that_is_wrong_is_an_error_of_the_configuration(channel, monkeypatch, how):
    wrong = 'from architect_core.exceptions import ConfigError\n        raise ConfigError("it", [("", "is wrong")])'
    channel("owl", keeps=True, source=CHANNEL.replace("return Memory(broker)", wrong))
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    with pytest.raises(architect.ConfigError, match="it: is wrong"):
        publish_by(how, configure(a="owl"), {})


@both
def test_what_keeps_no_events_is_no_broker(channel, monkeypatch, how):
    channel("owl", keeps=False)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    with pytest.raises(architect.ConfigError, match="ARCHITECT_EVENTS: owl keeps no events, so it is no broker"):
        publish_by(how, configure(a="owl"), {})


def test_a_declaration_that_failed_is_tried_again_by_the_next_publication(channel, monkeypatch):
    owl = channel("owl", keeps=True, source=CHANNEL.replace("declared.extend(topics)", "declared.append(0); 1 / up"))
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    placed = configure(a="owl")
    owl.up = 0
    with pytest.raises(architect.PublishError):
        placed.publish({})
    owl.up = 1
    assert placed.publish({}) == []
    assert len(owl.declared) == 2


def test_a_payload_above_the_broker_s_limit_is_an_error_that_names_it(channel, monkeypatch):
    owl = channel("owl", keeps=True)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    with pytest.raises(architect.PayloadError, match=r"has 101 bytes, and events\.owl takes 100 at most"):
        configure(a="owl").publish(b"x" * 101)
    assert owl.sent == []


@both
def test_a_key_whose_order_the_broker_cannot_keep_is_an_error(channel, monkeypatch, how):
    owl = channel("owl", keeps=True, orders=False)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    placed = configure(a="owl")
    with pytest.raises(
        architect.PublishError, match=r"events\.owl does not keep the order .* Publish it without a key"
    ):
        publish_by(how, placed, {}, key="ada")
    assert owl.sent == []
    assert publish_by(how, placed, {}) == []


def test_what_the_broker_cannot_carry_is_not_put_into_an_outbox(channel, monkeypatch):
    channel("owl", keeps=True)
    monkeypatch.setenv("ARCHITECT_EVENTS", "owl://broker")
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(architect.PayloadError, match="100 at most"):
        configure(a="owl").publish(b"x" * 101, outbox=connection)


@pytest.mark.parametrize("key", ["", "a\nb", 7])
def test_a_key_is_text_without_control_characters(channel, key):
    channel("owl")
    with pytest.raises(ValueError, match="`key` must be text"):
        configure(a="owl").publish({}, key=key)


def test_a_broker_without_a_plugin_is_an_error_with_what_to_install(monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", "pigeon://broker")
    with pytest.raises(architect.NoPluginError, match=r"'events.pigeon'"):
        configure(a="owl").publish({})


def test_a_coroutine_s_loop_goes_on_while_a_subscriber_is_slow(channel):
    channel("owl").delay = 0.3
    placed = configure(a="owl")

    async def run() -> int:
        task, turns = asyncio.create_task(placed.aio.publish({})), 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert (await task)[0].ok
        return turns

    assert asyncio.run(run()) > 20


def test_fifty_threads_publish_at_once_and_as_many_tasks(channel):
    owl = channel("owl")
    owl.delay = 0.1
    placed = configure(a="owl")
    start = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        assert all(delivery.ok for (delivery,) in pool.map(placed.publish, range(50)))

    async def run() -> list[Any]:
        return await asyncio.gather(*(placed.aio.publish(number) for number in range(50)))

    assert all(delivery.ok for (delivery,) in asyncio.run(run()))
    assert sorted(int(message.body) for message in owl.sent) == sorted([*range(50), *range(50)])
    assert time.monotonic() - start < 5


def test_a_cancelled_publication_ends(channel):
    channel("owl").delay = 60
    placed = configure(a="owl")

    async def run() -> None:
        task = asyncio.create_task(placed.aio.publish({}))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), 5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_publishes_by_a_channel_of_its_own(channel):
    owl = channel("owl")
    placed = configure(a="owl")
    assert placed.publish({})[0].ok
    child = os.fork()
    if child == 0:
        os._exit(0 if placed.publish({})[0].ok and len(owl.sent) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert placed.publish({})[0].ok
