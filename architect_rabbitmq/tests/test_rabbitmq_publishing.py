"""Publishing to a real RabbitMQ: what was confirmed is there, and what was not is an error in time."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Returning
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from rabbit_tools import MAX_BYTES, URL, Names, bare, count, drain, numbers, opened, opened_by_url, proxied

from architect_core.contract import Topic
from architect_rabbitmq import topology
from architect_rabbitmq.link import RabbitError
from architect_rabbitmq.publisher import Outgoing


def test_an_event_is_kept_for_each_subscriber_as_a_persistent_cloud_event(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            await channel.declare([names.topic])
            message = names.message(7, key="ada", headers={"traceparent": "00-1-2-01"})
            (receipt,) = await channel.send([message], 10)
            assert receipt.ok
            for name in (names.mailer, names.billing):
                queue = await raw.declare_queue(topology.queue_of(name), passive=True)
                found = await queue.get(no_ack=True)
                assert found is not None
                assert (found.body, found.content_type) == (b'{"number": 7}', "application/json")
                assert found.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
                assert found.message_id == message.id
                found.headers.pop("x-delivery-count", None)  # RabbitMQ's own
                time_ = found.headers.pop("cloudEvents:time")
                assert time_ == message.time.isoformat().replace("+00:00", "Z")
                assert found.headers == {
                    "cloudEvents:specversion": "1.0",
                    "cloudEvents:id": message.id,
                    "cloudEvents:source": names.source,
                    "cloudEvents:type": "placed",
                    "cloudEvents:partitionkey": "ada",
                    "traceparent": "00-1-2-01",
                }

    asyncio.run(main())


def test_what_was_published_before_a_subscriber_first_ran_waits_for_it(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            receipts = await channel.send([names.message(number) for number in range(50)], 10)
            assert all(receipt.ok for receipt in receipts)
        async with opened() as channel:
            consumer = channel.consumer(names.mailer, [names.topic], 100)
            assert numbers(await drain(consumer, 50)) == list(range(50))

    asyncio.run(main())


def test_an_event_without_subscribers_is_accepted(names: Names) -> None:
    lonely = names.topic_of("lonely")

    async def main() -> None:
        async with opened() as channel:
            await channel.declare([Topic(lonely.event, lonely.source)])
            receipts = await channel.send([names.message(number, event="lonely") for number in range(3)], 10)
            assert [receipt.ok for receipt in receipts] == [True] * 3

    asyncio.run(main())


def test_an_event_that_was_never_declared_is_accepted(names: Names) -> None:
    names.topic_of("unknown")

    async def main() -> None:
        async with opened() as channel:
            (receipt,) = await channel.send([names.message(event="unknown")], 10)
            assert receipt.ok

    asyncio.run(main())


def test_a_deleted_queue_is_declared_again_and_the_message_is_in_it(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            topic = names.topic_of("single", names.mailer)
            await channel.declare([topic])
            assert all(receipt.ok for receipt in await channel.send([names.message(0, event="single")], 10))
            await raw.queue_delete(topology.queue_of(names.mailer))
            receipts = await channel.send([names.message(number, event="single") for number in (1, 2, 3)], 10)
            assert [receipt.ok for receipt in receipts] == [True] * 3
            consumer = channel.consumer(names.mailer, [topic], 100)
            assert numbers(await drain(consumer, 3)) == [1, 2, 3]

    asyncio.run(main())


def test_a_deleted_exchange_is_declared_again_and_other_messages_do_not_suffer(names: Names) -> None:
    other = names.topic_of("other")

    async def main() -> None:
        async with opened() as channel, bare() as raw:
            await channel.declare([names.topic, other])
            first, second = await channel.send([names.message(), names.message(event="other")], 10)
            assert first.ok
            assert second.ok
            await raw.exchange_delete(topology.exchange_of(names.source, "placed"))
            mixed = [names.message(number, event=("placed", "other")[number % 2]) for number in range(1, 101)]
            receipts = await channel.send(mixed, 10)
            assert [receipt.error for receipt in receipts] == [None] * 100
            consumer = channel.consumer(names.mailer, [names.topic, other], 100)
            assert {*range(101)} <= set(numbers(await drain(consumer, 102)))

    asyncio.run(main())


def test_a_message_that_no_queue_takes_is_not_confirmed_silently(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            topic = names.topic_of("single", names.mailer)
            await channel.declare([topic])

            async def nothing(*_: object) -> None: ...

            monkeypatch.setattr(topology, "declare", nothing)
            await raw.queue_delete(topology.queue_of(names.mailer))
            receipts = await channel.send([names.message(event="single")] * 2, 10)  # even if both have one id
            assert [receipt.ok for receipt in receipts] == [False, False]
            assert "no queue took" in str(receipts[0].error)
            assert not receipts[0].permanent

    asyncio.run(main())


def outgoing_to(queue: str, id_: str, exchange: str = "") -> Outgoing:
    async def nothing() -> None: ...

    return Outgoing(exchange, queue, Basic.Properties(message_id=id_), b"x", nothing)


def test_a_message_without_an_id_is_not_confirmed_if_no_queue_takes_it(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            for id_ in ("", "7"):
                (problem,) = await channel._publisher.publish([outgoing_to("no-such-queue", id_)], 10)
                assert "no queue took" in str(problem)

    asyncio.run(main())


def test_a_frame_may_have_any_size_if_rabbitmq_does_not_limit_it(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            assert (await channel.send([names.message(0)], 10))[0].ok
            session = channel._publisher._session.value
            assert session is not None
            session.channel.raw.max_content_size = -8  # as aiormq has it for a limit of 0
            receipts = await channel.send([names.message(1), replace(names.message(2), body=b"")], 10)
            assert [receipt.error for receipt in receipts] == [None, None]
            received = await drain(channel.consumer(names.mailer, [names.topic], 10), 3)
            assert [each.message.body for each in received[1:]] == [b'{"number": 1}', b""]
            assert channel._publisher._session.value is session  # that of the first message

    asyncio.run(main())


def test_nothing_is_written_to_a_channel_from_the_moment_on_when_rabbitmq_has_closed_it(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            assert (await channel.send([names.message()], 10))[0].ok
            session = channel._publisher._session.value
            assert session is not None
            raw = session.channel.raw
            await raw.write_queue.put(ChannelFrame.marshall(raw.number, [Basic.Publish(exchange="no-such-exchange")]))
            await raw.write_queue.put(ChannelFrame.marshall(raw.number, [ContentHeader()]))
            while raw.connection.channels.get(raw.number) is raw:
                await asyncio.sleep(0)
            assert session.channel.ended is None, "aiormq does not know yet"
            with pytest.raises(RabbitError, match="RabbitMQ has closed the channel"):
                await session.write(outgoing_to("any", "7"))
            assert (await channel.send([names.message()], 10))[0].ok
            assert channel._publisher._session.value is not session

    asyncio.run(main())


def test_a_message_that_is_too_large_is_refused_for_good_and_the_others_are_kept(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            large = replace(names.message(), body=bytes(MAX_BYTES + 1))
            first, second, third = await channel.send([names.message(1), large, names.message(2)], 10)
            assert (first.ok, second.ok, third.ok) == (True, False, True)
            assert second.permanent
            assert "16,777,217 bytes" in str(second.error)
            (largest,) = await channel.send([replace(large, body=bytes(MAX_BYTES))], 30)
            assert largest.ok

    asyncio.run(main())


def test_a_body_of_several_frames_arrives_as_it_was_sent(names: Names) -> None:
    bodies = [os.urandom(size) for size in (0, 1, 131_064, 131_065, 500_000)]  # a frame has 128 KiB

    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            receipts = await channel.send([replace(names.message(), body=body) for body in bodies], 10)
            assert [receipt.error for receipt in receipts] == [None] * len(bodies)
            received = await drain(channel.consumer(names.mailer, [names.topic], 10), len(bodies))
            assert [each.message.body for each in received] == bodies

    asyncio.run(main())


def test_headers_that_amqp_cannot_carry_are_refused_for_good(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel:
            await channel.declare([names.topic])
            odd = names.message(headers={"odd": "\ud800"})
            first, second = await channel.send([odd, names.message(key="k" * 2000)], 10)
            assert (first.ok, first.permanent) == (False, True)
            assert "headers cannot be sent" in str(first.error)
            assert second.ok

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://guest:s3cret@127.0.0.1:5672", "ACCESS_REFUSED"),
        ("amqp://guest:guest@127.0.0.1:5672/no%2Fsuch", "the virtual host 'no/such' does not exist"),
    ],
)
def test_a_wrong_login_fails_at_once_and_is_explained(names: Names, url: str, said: str) -> None:
    async def main() -> None:
        async with opened(url) as channel:
            started = time.monotonic()
            (receipt,) = await channel.send([names.message()], 30)
            assert time.monotonic() - started < 10
            assert isinstance(receipt.error, RabbitError)
            assert said in str(receipt.error)
            assert "127.0.0.1:5672" in str(receipt.error)
            assert "s3cret" not in repr(receipt) + str(receipt.error)
            with pytest.raises(RabbitError, match=said):
                await channel.declare([names.topic])
            with pytest.raises(RabbitError, match=said):
                await channel.consumer(names.mailer, [], 1).receive(1, 30)

    asyncio.run(main())


def test_a_refused_connection_is_tried_until_the_timeout_and_explained(names: Names) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    async def main() -> None:
        async with opened(f"amqp://guest:guest@127.0.0.1:{port}") as channel:
            started = time.monotonic()
            (receipt,) = await channel.send([names.message()], 0.5)
            assert 0.4 < time.monotonic() - started < 5
            assert f"cannot connect to RabbitMQ at 127.0.0.1:{port}" in str(receipt.error)
            with pytest.raises(RabbitError, match="cannot connect"):
                await channel.declare([names.topic])

    asyncio.run(main())


def test_a_broker_that_comes_within_the_timeout_gets_the_message(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await proxy.stop()
            sending = asyncio.create_task(channel.send([names.message(event="early")], 20))
            await asyncio.sleep(0.2)
            assert not sending.done()
            await proxy.start()
            (receipt,) = await sending
            assert receipt.ok

    names.topic_of("early")
    asyncio.run(main())


def test_nothing_is_lost_when_connections_are_cut_while_publishing(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            sending = [
                asyncio.create_task(channel.send([names.message(100 * batch + each) for each in range(100)], 20))
                for batch in range(10)
            ]
            for _ in range(5):
                await asyncio.sleep(0.03)
                await proxy.cut()
            receipts = [receipt for batch in await asyncio.gather(*sending) for receipt in batch]
            assert [receipt.error for receipt in receipts] == [None] * 1000
            consumer = channel.consumer(names.mailer, [names.topic], 200)
            assert {*range(1000)} == set(numbers(await drain(consumer, 1000)))

    asyncio.run(main())


def test_a_broker_that_does_not_answer_costs_no_more_than_the_timeout(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            proxy.freeze()
            for messages in ([names.message()], [names.message(body_size) for body_size in range(300)]):
                large = [replace(message, body=bytes(10_000)) for message in messages]
                started = time.monotonic()
                receipts = await channel.send(large, 0.5)
                assert time.monotonic() - started < 2
                assert all(isinstance(receipt.error, TimeoutError) for receipt in receipts)
                assert len({id(receipt.error) for receipt in receipts}) == len(receipts)  # each keeps its own traceback
            proxy.thaw()
            (receipt,) = await channel.send([names.message(7)], 10)
            assert receipt.ok

    asyncio.run(main())


def test_a_publisher_that_gives_up_leaves_nothing_behind(names: Names, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            assert (await channel.send([names.message()], 10))[0].ok
            proxy.freeze()
            sending = asyncio.create_task(channel.send([names.message(1), names.message(2)], 10))
            (receipt,) = await channel.send([names.message(3)], 0.2)
            assert isinstance(receipt.error, TimeoutError)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            proxy.thaw()
            (receipt,) = await channel.send([names.message(4)], 10)
            assert receipt.ok
            session = channel._publisher._session.value
            assert session is not None
            assert not session.channel.raw.message_id_delivery_tag
            assert not session.channel.raw.confirmations
            assert {0, 4} <= {*numbers(await drain(channel.consumer(names.mailer, [names.topic], 10), 2))}

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_publishing_while_frozen_does_not_fill_the_memory(names: Names) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            proxy.freeze()
            body = bytes(100_000)
            for _ in range(30):
                await channel.send([replace(names.message(), body=body) for _ in range(10)], 0.02)
            gc.collect()
            held = sum(each is body for each in gc.get_objects() if type(each) is bytes)
            assert held < 100
            buffered = [each for each in gc.get_objects() if type(each) is bytearray and len(each) > 15_000_000]
            assert not buffered
            proxy.thaw()

    asyncio.run(main())


@pytest.mark.parametrize("together", [True, False])
def test_much_that_is_published_at_once_waits_for_the_socket(names: Names, together: bool) -> None:
    async def main() -> None:
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            await channel.send([names.message()], 10)
            proxy.freeze()
            body = bytes(200_000)
            messages = [replace(names.message(), body=body) for _ in range(300)]
            if together:
                await channel.send(messages, 0.5)
            else:
                await asyncio.gather(*(channel.send([message], 0.5) for message in messages))
            session = channel._publisher._session.value
            assert session is not None
            writer = session.channel.writer
            held = writer.transport.get_write_buffer_size() + sum(map(len, writer._parts))
            proxy.thaw()
            assert held < 2_000_000

    asyncio.run(main())


def test_a_connection_that_is_lost_after_a_message_came_back_leaves_no_error_that_nobody_reads(names: Names) -> None:
    problems: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        async with proxied() as (proxy, channel):
            await channel.declare([names.topic])
            await channel.send([names.message()], 10)
            session = channel._publisher._session.value
            assert session is not None
            session.channel.raw.confirmations[1000] = Returning()  # the confirmation after the message is on its way
            await proxy.cut()
            assert (await channel.send([names.message()], 10))[0].ok
            del session
            gc.collect()

    asyncio.run(main())
    gc.collect()
    assert problems == []


def test_a_queue_that_was_declared_otherwise_is_an_error_that_says_what_to_do(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            queue = topology.queue_of(names.mailer)
            await raw.declare_queue(queue, durable=True)  # a classic one
            with pytest.raises(RabbitError, match=f"queue '{queue}' exists with other properties.*Delete it"):
                await channel.declare([names.topic])
            fine = names.topic_of("fine", names.billing)
            await channel.declare([fine])
            (receipt,) = await channel.send([names.message(event="fine")], 5)
            assert receipt.ok

    asyncio.run(main())


def test_an_exchange_that_was_declared_otherwise_is_an_error_that_says_what_to_do(names: Names) -> None:
    async def main() -> None:
        async with opened() as channel, bare() as raw:
            exchange = topology.exchange_of(names.source, "placed")
            await raw.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
            with pytest.raises(RabbitError, match=f"exchange '{exchange}' exists with other properties"):
                await channel.declare([names.topic])

    asyncio.run(main())


def test_many_processes_can_declare_the_same_at_the_same_time(names: Names) -> None:
    async def declare() -> None:
        async with opened() as channel:
            await asyncio.gather(*(channel.declare([names.topic]) for _ in range(3)))

    async def main() -> None:
        await asyncio.gather(*(declare() for _ in range(6)))
        async with opened() as channel:
            await channel.send([names.message()], 10)
        assert await count(topology.queue_of(names.mailer)) == 1

    asyncio.run(main())


@pytest.mark.parametrize("event", ["order placed: ümlaut/#*.%", "e" * 400, "x" + "é" * 240])
def test_odd_and_long_names_are_carried(names: Names, event: str) -> None:
    topic = names.topic_of(event, names.mailer, f"{names.mailer}-{'long' * 80}")
    other = names.topic_of(event + "2", names.billing)

    async def main() -> None:
        async with opened() as channel:
            await channel.declare([topic, other])
            (receipt,) = await channel.send([names.message(5, event=event)], 10)
            assert receipt.ok
            for name in topic.subscribers:
                (received,) = await drain(channel.consumer(name, [topic], 10), 1)
                assert (received.message.event, received.message.source) == (event, names.source)
            assert await count(topology.queue_of(names.billing)) == 0

    asyncio.run(main())


def test_no_name_is_longer_than_amqp_allows_and_different_names_stay_different() -> None:
    names = [topology.exchange_of("a/b", "é" * length) for length in range(100, 400)]
    names += [topology.retry_queue_of("a/" + "b" * length, 5000) for length in range(200, 400)]
    names += [topology.dead_queue_of("a/" + "b" * length) for length in range(200, 400)]
    assert max(len(name.encode()) for name in names) <= 127
    assert len({*names}) == len(names)
    assert topology.retry_queue_of("a/b", 0.2) == "architect:a/b:retry:1s"
    assert [topology.retry_queue_of("a", each)[18:] for each in (1, 1.5, 2, 3, 300)] == ["1s", "2s", "2s", "4s", "512s"]


def test_payloads_and_passwords_are_in_no_log(names: Names, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with opened() as channel, opened("amqp://guest:s3cret@127.0.0.1:5672") as wrong:
            await channel.declare([names.topic])
            await channel.send([replace(names.message(), body=b'{"name": "Ada Lovelace"}')], 10)
            await drain(channel.consumer(names.mailer, [names.topic], 10), 1)
            await wrong.send([names.message()], 5)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "aiormq" in {record.name.partition(".")[0] for record in caplog.records}
    assert "Lovelace" not in caplog.text
    assert "s3cret" not in caplog.text


def test_tls_and_a_certificate_of_ones_own_are_used_as_for_a_datastore(names: Names) -> None:
    import trustme

    authority = trustme.CA()
    with authority.cert_pem.tempfile() as ca:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)

        async def main() -> None:
            async with proxied(tls=context) as (proxy, _):
                secured = f"amqps://guest:guest@127.0.0.1:{proxy.port}/%2F"
                async with opened_by_url(f"{secured}?cacertfile={ca}&verify=verify_peer") as channel:
                    await channel.declare([names.topic])
                    (receipt,) = await channel.send([names.message()], 10)
                    assert receipt.ok
                async with opened_by_url(f"{secured}?verify=verify_peer") as channel:
                    (receipt,) = await channel.send([names.message()], 1)
                    assert "certificate verify failed" in str(receipt.error)

        asyncio.run(main())


PROGRAM = """
import os
import architect.sdk as architect

placed = architect.notification("placed")
placed.publish({"number": 1})
child = os.fork()
placed.publish({"number": 2 if child else 3})
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def published_by(program: str, names: Names, *options: str) -> subprocess.CompletedProcess[str]:
    config = {names.source: {"subscriptions": {"placed": {names.mailer: {"handler": "x"}}}}}
    environ = {
        **os.environ,
        "ARCHITECT": json.dumps(config),
        "ARCHITECT_CURRENT_SERVICE": names.source,
        "ARCHITECT_EVENTS": URL,
    }
    command = [sys.executable, *options, "-c", textwrap.dedent(program)]
    result = subprocess.run(command, env=environ, check=False, timeout=60, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def test_a_forked_child_publishes_over_a_connection_of_its_own(names: Names) -> None:
    published_by(PROGRAM, names)

    async def main() -> None:
        async with opened() as channel:
            consumer = channel.consumer(names.mailer, [names.topic], 10)
            assert sorted(numbers(await drain(consumer, 3))) == [1, 2, 3]

    asyncio.run(main())


LOOPS = """
import asyncio
import os
import threading
import architect.sdk as architect

placed = architect.notification("placed")

def sockets() -> int:
    return sum(os.readlink(f"/proc/self/fd/{number}").startswith("socket:") for number in fds())

def fds():
    for number in os.listdir("/proc/self/fd"):
        if os.path.exists(f"/proc/self/fd/{number}"):
            yield number

async def main(first: int) -> None:
    await asyncio.gather(*(placed.aio.publish({"number": first + number}) for number in range(5)))

asyncio.run(main(0))
assert not [thread.name for thread in threading.enumerate() if thread.name == "architect-events"]
before = sockets()
for loop in range(1, 10):
    asyncio.run(main(loop * 5))
assert sockets() == before, (sockets(), before)
placed.publish({"number": 50})
"""


def test_each_event_loop_publishes_over_a_connection_that_is_closed_with_it(names: Names) -> None:
    result = published_by(LOOPS, names, "-W", "always")
    assert result.stderr == "", "a warning, such as that of a connection that was not closed"

    async def main() -> None:
        async with opened() as channel:
            consumer = channel.consumer(names.mailer, [names.topic], 100)
            assert sorted(numbers(await drain(consumer, 51))) == list(range(51))

    asyncio.run(main())


def test_a_deleted_queue_stays_unknown_to_who_only_looks(names: Names) -> None:
    async def main() -> None:
        with pytest.raises(ChannelNotFoundEntity):
            await count(topology.queue_of(names.mailer))

    asyncio.run(main())
