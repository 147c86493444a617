"""Whatever a message has, it survives SNS and SQS, which carry text only."""

from __future__ import annotations

import doctest
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqs_tools import SOURCE, SUBSCRIBER, TOPIC, Cloud, message, received, run, sent

from architect_sqs import names, wire
from architect_sqs.wire import MAX_BYTES, REASON, Wire, decode, encode

BODIES = [
    b"",
    b"-",
    b"{}",
    "ünïcode 日本 \U0001f600".encode(),
    b"line\nline\ttab",
    b"carriage\r\nreturn",
    b"\x00\x01",
    b"\xff\xfe",
    "￾ is no character of XML".encode(),
    b"<&>\"'",
]


@pytest.mark.parametrize("body", BODIES)
def test_every_body_arrives_byte_for_byte(cloud: Cloud, body: bytes):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, message(body, content_type="application/octet-stream"))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 1)
            (got,) = await received(consumer, 1)
            assert (got.message.body, got.message.content_type) == (body, "application/octet-stream")
            await consumer.close()

    run(check())


def test_a_body_of_the_largest_size_arrives(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            event = message(b"\xff" * MAX_BYTES, key="k" * 200, headers={"x-large": "y" * 4000})
            await sent(channel, event)
            consumer, letters = (channel.consumer(SUBSCRIBER, [TOPIC], 10, dead=dead) for dead in (False, True))
            (got,) = await received(consumer, 1)
            assert got.message == event
            await consumer.dead(got, "x" * 10_000)
            (letter,) = await received(letters, 1)
            assert letter.message.body == event.body
            await consumer.close()
            await letters.close()

    run(check())


def test_any_number_of_headers_arrives(cloud: Cloud):
    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            headers = {f"x-{number}": f"ü\n{number}" for number in range(40)}
            headers |= {"traceparent": "00-1-2-01", "tracestate": "", "ce-tenant": "a"}
            event = message(b"\xff", key="ünïcode", headers=headers)
            await sent(channel, event)
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 1)
            (got,) = await received(consumer, 1)
            assert got.message.headers == headers
            assert got.message == event
            await consumer.close()

    run(check())


text = st.text(st.characters(codec="utf-8"), max_size=20)
printable = text.filter(lambda each: bool(each) and each.isprintable())


bodies = st.binary(max_size=50) | text.map(str.encode)


@settings(max_examples=100, deadline=None)
@given(bodies, st.none() | printable, printable, st.dictionaries(printable, text, max_size=5))
def test_what_is_encoded_is_decoded_to_the_same(body, key, event, headers):
    given_headers = {f"x-{name}".lower(): value for name, value in headers.items()}
    event = message(body, key=key, event=event, headers=given_headers)
    encoded = encode(event)
    assert decode(encoded) == event
    assert decode(encoded).headers == given_headers
    for attribute in encoded.attributes.values():
        assert wire._TEXT.fullmatch(attribute["StringValue"])
    assert wire._TEXT.fullmatch(encoded.body)
    assert len(encoded.with_reason("r").attributes) <= 10  # more are discarded by raw delivery


@pytest.mark.parametrize(
    ("body", "attributes", "expected"),
    [
        ("{}", {"architect-headers": "no JSON"}, "is malformed"),
        ("{}", {"architect-headers": "[]"}, "is malformed"),
        ("{}", {"architect-headers": '{"a": 1}'}, "is malformed"),
        ("{}", {"architect-headers": "{}"}, "this is no event"),
        ("{}", {"architect-encoding": "zip"}, "has an unknown encoding"),
        ("canary", {"architect-encoding": "base64"}, "is no base64"),
    ],
)
def test_a_malformed_message_is_refused_without_its_body(body, attributes, expected):
    odd = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    with pytest.raises(ValueError, match=expected) as caught:
        decode(Wire(body, {**encode(message()).attributes, **odd}))
    assert "canary" not in str(caught.value)


def test_neither_body_nor_attributes_show_in_a_repr():
    assert "canary" not in repr(encode(message(b"canary", headers={"x": "canary"})))


def test_a_dead_letter_without_its_reason_is_what_was_sent():
    encoded = encode(message(key="ada", headers={"x": "1"}))
    assert encoded.with_reason("").attributes[REASON]["StringValue"] == "unknown"
    assert encoded.with_reason("wrong").without_reason() == encoded


ODD = ["a/b", "a_b", "a-b", "a.b", "A/b", "ü/b", "a" * 300, "a" * 301, "a/" + "b" * 300]


@pytest.mark.parametrize("fifo", [False, True])
def test_names_differ_and_are_within_the_limits_of_aws(fifo):
    prefix = "p" * 20
    topics = {names.topic_name(prefix, *pair, fifo=fifo) for pair in itertools.product(ODD, ODD)}
    queues = {names.queue_name(prefix, each, fifo=fifo, dead=dead) for each in ODD for dead in (False, True)}
    assert (len(topics), len(queues)) == (len(ODD) ** 2, len(ODD) * 2)
    assert max(map(len, queues)) <= 80
    assert max(map(len, topics)) <= 256
    for each in topics | queues:
        bare = each.removesuffix(".fifo")
        assert bare.isascii()
        assert bare.replace("-", "").replace("_", "").isalnum()
        assert (bare != each) == fifo


def test_names_are_readable():
    assert names.topic_name("architect", SOURCE, "placed", fifo=False).startswith("architect-acme_orders-placed-")
    assert names.queue_name("architect", SUBSCRIBER, fifo=False, dead=True).startswith("architect-acme_mailer-")


def test_any_key_is_a_message_group(cloud: Cloud):
    keys = ["ada", "ü", "a b", "k" * 128, "k" * 129, "k" * 130]

    async def check() -> None:
        async with cloud.opened() as channel:
            await channel.declare([TOPIC])
            await sent(channel, *(message(key=key) for key in keys))
            consumer = channel.consumer(SUBSCRIBER, [TOPIC], 10)
            assert {each.message.key for each in await received(consumer, 6)} == set(keys)
            await consumer.close()

    run(check())
    assert len({names.fifo_id(key) for key in keys}) == len(keys)


def test_the_examples_in_the_docstrings_are_true():
    tried = doctest.testmod(names)
    assert (tried.failed, tried.attempted > 0) == (0, True)
