"""Applications publish by `architect.notification`; which broker carries it is one variable."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points

import pytest
from sqs_tools import SUBSCRIBER, TOPIC, Cloud, received, run

import architect.sdk as architect
from architect_core.exceptions import ConfigError, PayloadError, PublishError
from architect_sqs.wire import MAX_BYTES


@pytest.fixture
def publish(cloud: Cloud, monkeypatch) -> Callable[..., object]:
    monkeypatch.setenv("ARCHITECT_EVENTS", cloud.url)
    return _configured()


def _configured() -> Callable[..., object]:
    subscriptions = {"order_placed": {SUBSCRIBER: {"handler": "letters"}}}
    config = {
        "acme/orders": {"host": "orders", "port": 1, "api": None, "subscriptions": subscriptions},
        SUBSCRIBER: {"host": "mailer", "port": 1, "api": "rest"},
    }
    architect.configure(config, current_service="acme/orders")
    return architect.notification("order_placed").publish


def bodies(cloud: Cloud, count: int) -> list[object]:
    found: list[object] = []

    async def check() -> None:
        async with cloud.opened() as channel:
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            for _ in range(count):
                (got,) = await received(consumer, 1)
                found.append(json.loads(got.message.body))
                await consumer.ack([got])
            await consumer.close()

    run(check())
    return found


def test_an_event_that_was_published_is_in_its_subscribers_queue(publish, cloud):
    assert publish({"order": 7}) == []
    assert bodies(cloud, 1) == [{"order": 7}]


def test_many_threads_publish_at_the_same_time(publish, cloud):
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(publish, range(60)))
    assert sorted(bodies(cloud, 60)) == list(range(60))


def test_coroutines_publish_without_blocking_their_loop(publish, cloud):
    async def check() -> None:
        notification = architect.notification("order_placed")
        await asyncio.gather(*(notification.aio.publish(number) for number in range(30)))

    run(check())
    assert sorted(bodies(cloud, 30)) == list(range(30))


def test_a_json_object_is_read_as_a_datastores_entry(cloud, monkeypatch):
    monkeypatch.setenv("SECRET_OF_AWS", "s3cret")
    entry = {
        "type": "sqs",
        "host": "eu-central-1",
        "username": "key",
        "password": "env:SECRET_OF_AWS",
        "name": cloud.prefix,
        "options": {"endpoint": cloud.endpoint},
    }
    monkeypatch.setenv("ARCHITECT_EVENTS", json.dumps(entry))
    _configured()({"order": 8})
    assert bodies(cloud, 1) == [{"order": 8}]


def test_a_forked_child_publishes_through_clients_of_its_own(publish, cloud):
    publish("parent")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            publish("child")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    publish("parent again")
    assert sorted(map(str, bodies(cloud, 3))) == ["child", "parent", "parent again"]


def test_a_payload_that_sns_would_refuse_is_refused_before(publish):
    with pytest.raises(PayloadError, match=r"takes 184,320 at most"):
        publish(b"x" * (MAX_BYTES + 1))


def test_a_failure_says_that_the_event_may_be_lost_and_shows_no_secret(cloud, monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", "sqs://key:s3cret@eu-central-1?endpoint=http://127.0.0.1:1")
    with pytest.raises(PublishError, match="did not keep it") as caught:
        _configured()("canary")
    shown = f"{caught.value}{caught.value.__cause__}"
    assert "SNS cannot be reached at http://127.0.0.1:1" in shown
    assert "s3cret" not in shown
    assert "canary" not in shown


def test_a_malformed_url_is_a_mistake_of_the_configuration(monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", "sqs://queues.internal")
    with pytest.raises(ConfigError, match="the host must be a region, such as eu-central-1"):
        _configured()("x")


def test_the_entry_point_is_the_scheme():
    (found,) = entry_points(group="architect", name="events.sqs")
    assert found.value == "architect_sqs.plugin"
