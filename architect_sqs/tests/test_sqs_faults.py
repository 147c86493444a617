"""A failure has a text that says what to do, no secret, and ends within its time."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqs_tools import SOON, SUBSCRIBER, TOPIC, Cloud, Line, message, received, run, sent, until_it_fails

from architect_core.contract import Receipt
from architect_sqs.aws import AwsError

SECRET = "s3cret"


class Refusing(BaseHTTPRequestHandler):
    """Answers every call with one error, whose text repeats what it was asked."""

    status, code = 403, ""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        text = f"canary {self.headers['authorization']} {asked[:200]}"
        if "x-amz-target" in self.headers:
            body = json.dumps({"__type": f"com.amazonaws.sqs#{self.code}", "message": text}).encode()
        else:
            error = f"<Error><Type>Sender</Type><Code>{self.code}</Code><Message>{escape(text)}</Message></Error>"
            body = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>".encode()
        self.send_response(self.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def refusing(status: int, code: str) -> Iterator[str]:
    handler = type("Handler", (Refusing,), {"status": status, "code": code})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """A server that accepts connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def receipt_of(cloud: Cloud, timeout: float = SOON) -> Receipt:
    found: list[Receipt] = []

    async def check() -> None:
        async with cloud.opened() as channel:
            found.extend(await channel.send([message(b"canary", headers={"x": "canary"})], timeout))

    run(check())
    return found[0]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthorizationError", "SNS refused CreateTopic: AuthorizationError (the login lacks this permission"),
        (403, "InvalidClientTokenId", "the access key, its secret or its session token is wrong or has expired"),
        (403, "SignatureDoesNotMatch", "the access key, its secret or its session token is wrong or has expired"),
        (400, "Throttling", "too many requests"),
        (500, "InternalFailure", "SNS refused CreateTopic: InternalFailure"),
        (502, "<html>", "SNS is not what answers at http://127.0.0.1:"),
    ],
)
def test_a_refusal_names_the_operation_and_the_remedy_and_can_be_tried_again(status, code, expected):
    with refusing(status, code) as endpoint:
        receipt = receipt_of(Cloud(endpoint, "t"))
    assert expected in str(receipt.error)
    assert isinstance(receipt.error, OSError)
    assert not receipt.permanent
    chain = f"{receipt.error!r}{receipt.error.__cause__!r}"
    assert "canary" not in chain
    assert SECRET not in chain
    assert receipt.error.__suppress_context__


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidSecurity"])
def test_a_consumer_raises_an_error_of_the_operating_system_kind(code):
    async def check(endpoint: str) -> None:
        async with Cloud(endpoint, "t").opened() as channel:
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 1)
            with pytest.raises(OSError, match=f"refused CreateTopic: {code}"):
                await consumer.receive(1, SOON)
            await consumer.close()

    with refusing(403, code) as endpoint:
        run(check(endpoint))


def test_a_server_that_is_not_there_is_named():
    endpoint = closed_port()
    receipt = receipt_of(Cloud(endpoint, "t"))
    assert f"SNS cannot be reached at {endpoint}" in str(receipt.error)
    assert not receipt.permanent


def test_a_server_that_never_answers_is_waited_for_until_the_deadline():
    with silent() as endpoint:
        started = time.monotonic()
        receipt = receipt_of(Cloud(endpoint, "t"), 1.0)
        assert time.monotonic() - started < 3
    assert isinstance(receipt.error, TimeoutError)
    assert "within 1 seconds" in str(receipt.error)


def test_calls_go_on_and_are_counted_when_their_publishers_give_up(monkeypatch):
    async def topic(*_: object, **__: object) -> str:
        return "arn:aws:sns:eu-central-1:000000000000:t"

    async def check(endpoint: str) -> None:
        async with Cloud(endpoint, "t").opened() as channel:
            monkeypatch.setattr(channel._topology, "topic", topic)
            await channel._aws._clients()
            for _ in range(40):
                (receipt,) = await channel.send([message()], 0.05)
                assert isinstance(receipt.error, TimeoutError)
            assert channel._aws._slots.locked()
            assert channel._aws._threads._started == 16

    with silent() as endpoint:
        run(check(endpoint))


def test_calls_that_wait_when_the_channel_is_closed_end(cloud: Cloud, monkeypatch):
    async def check() -> None:
        aws = cloud.channel()._aws
        await aws._clients()
        monkeypatch.setattr("architect_sqs.aws._call", lambda *_: time.sleep(0.2) or {})
        calls = [asyncio.create_task(aws.call("sns", "publish_batch")) for _ in range(20)]
        await asyncio.sleep(0.1)
        await aws.close()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[:16] == [{}] * 16
        assert ["closed" in str(each) for each in answers[16:]] == [True] * 4

    run(check())


def test_a_failure_that_nobody_waits_for_any_more_is_no_traceback(cloud: Cloud, caplog):
    async def check() -> None:
        async with Cloud(closed_port(), cloud.prefix).opened() as channel:
            (receipt,) = await channel.send([message()], 0.05)
            assert isinstance(receipt.error, TimeoutError)
            while not all(task.done() for task in channel._topology._tasks.values()):
                await asyncio.sleep(0.01)
            channel._topology.forget()
            gc.collect()

    run(check())
    assert "never retrieved" not in caplog.text


def test_without_a_login_it_says_how_to_give_one(cloud: Cloud, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []

    async def check() -> None:
        async with cloud.opened(f"sqs://eu-central-1?endpoint={cloud.endpoint}") as channel:
            found.extend(await channel.send([message()], SOON))

    run(check())
    assert "SNS has no login: set AWS_ACCESS_KEY_ID" in str(found[0].error)


def test_a_login_of_the_environment_is_used(cloud: Cloud, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    async def check() -> None:
        async with cloud.opened(f"sqs://eu-central-1/{cloud.prefix}?endpoint={cloud.endpoint}") as channel:
            await sent(channel, message())

    run(check())


@pytest.mark.parametrize("url", ["sqs://key:s3cret@/?endpoint={}", "sqs://key:s3cret@-no-/?endpoint={}"])
def test_without_a_region_it_says_where_to_write_it(cloud: Cloud, monkeypatch, tmp_path, url):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []

    async def check() -> None:
        async with cloud.opened(url.format(cloud.endpoint)) as channel:
            found.extend(await channel.send([message()], SOON))
            found.extend(await channel.send([message()], SOON))

    run(check())
    for each in found:
        assert "write sqs://REGION" in str(each.error)


def test_the_receipt_of_each_event_is_its_own(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            call = channel._aws.call

            async def some_fail(service, operation, **parameters):
                if operation != "publish_batch":
                    return await call(service, operation, **parameters)
                entries = parameters.pop("PublishBatchRequestEntries")
                codes = {"throttle": "Throttled", "malformed": "InvalidParameter"}
                kept = [each for each in entries if each["Message"] not in codes]
                answer = await call(service, operation, PublishBatchRequestEntries=kept, **parameters)
                failed = [
                    {"Id": each["Id"], "Code": codes[each["Message"]], "Message": "canary", "SenderFault": True}
                    for each in entries
                    if each["Message"] in codes
                ]
                return {**answer, "Failed": failed}

            channel._aws.call = some_fail
            bodies = ["1", "throttle", "2", "malformed", "3"]
            receipts = await channel.send([message(each.encode()) for each in bodies], SOON)
            assert [each.ok for each in receipts] == [True, False, True, False, True]
            assert [each.permanent for each in receipts] == [False, False, False, True, False]
            assert "SNS refused Publish: Throttled" in str(receipts[1].error)
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            assert sorted(each.message.body for each in await received(consumer, 3)) == [b"1", b"2", b"3"]
            await consumer.close()

    run(check())


def test_an_event_is_not_accepted_if_the_one_before_it_with_its_key_is_not(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            call = channel._aws.call

            async def fails(service, operation, **parameters):
                if operation != "publish_batch":
                    return await call(service, operation, **parameters)
                raise AwsError("Throttling", "too many")

            channel._aws.call = fails
            events = [message(str(number).encode(), key="ada") for number in range(3)]
            receipts = await channel.send(events, SOON)
            assert [each.ok for each in receipts] == [False, False, False]
            channel._aws.call = call
            await sent(channel, *events)
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            assert [each.message.body for each in await received(consumer, 3)] == [b"0", b"1", b"2"]
            await consumer.close()

    run(check())


def test_publishing_and_consuming_go_on_when_the_broker_is_back(cloud: Cloud):
    async def check() -> None:
        line = Line(cloud.endpoint)
        endpoint = line.connect()
        async with Cloud(endpoint, cloud.prefix).opened() as channel:
            await channel.declare([TOPIC])
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            await consumer.receive(1, 0.1)
            line.cut()
            for _ in range(3):
                with pytest.raises(OSError, match="SQS cannot be reached"):
                    await until_it_fails(consumer)
            (receipt,) = await channel.send([message()], SOON)
            assert "SNS cannot be reached" in str(receipt.error)
            line.connect()
            await sent(channel, *(message() for _ in range(4)))  # a poll that was cut may take one at the server
            await received(consumer, 1)
            await consumer.close()
        line.cut()

    run(check())


def test_a_closed_channel_says_so(cloud: Cloud):
    async def check() -> None:
        channel = cloud.channel()
        await sent(channel, message())
        await channel.close()
        (receipt,) = await channel.send([message()], SOON)
        assert "this channel is closed" in str(receipt.error)

    run(check())


def test_closing_an_unused_channel_does_nothing(cloud: Cloud):
    async def check() -> None:
        channel = cloud.channel()
        consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
        await asyncio.gather(consumer.close(), channel.close())

    run(check())
