"""Events: how they are published, which broker they go to, who handles them, and the messages that carry them."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import architect.sdk as architect
from architect_core.contract import Broker, Event, Message, Subscription
from architect_core.plugins import loading
from architect_core.resolver import events
from architect_core.schema import parse_services

SECRET = "s3cret"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the Standard Webhooks' own documentation

OWL = """
from architect_core.contract import (
    Capabilities, Channel, CredentialParser, Credentials, EventChannel, EventRuntime, Receipt, Sender, hookimpl
)

ARCHITECT_CONTRACT = 2

class Recorder(Sender):
    def __init__(self, target):
        self.target = target
    def publish(self, body, key, outbox, timeout):
        return self.target, body, key, outbox, timeout
    async def aio_publish(self, *arguments):
        return self.publish(*arguments)

class Runtime(EventRuntime):
    def sender(self, target):
        return Recorder(target)
    def inbox(self, *arguments):
        return arguments
    def consume(self, *arguments):
        consumed.append(arguments)

class Owls(EventChannel):
    capabilities = Capabilities()
    def open(self, broker):
        raise NotImplementedError

class Parser(CredentialParser):
    def credentials(self, target):
        url, config = target.config.url, target.config
        if url and "malformed" in url:
            raise target.error("url", "is malformed")
        if url is None and target.engine == "nest":
            url = f"owl://{config.host}"
        return Credentials(target.engine, {"host": config.host, "password": config.password}, url)

consumed = []

@hookimpl
def architect_event_runtime():
    return Runtime()

@hookimpl
def architect_event_channel():
    return Owls()

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture
def owl(install_plugin, monkeypatch):
    """Has a runtime that returns what it is given, and a channel named "owl"."""
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-events")
    monkeypatch.delitem(sys.modules, "owl_of_the_events", raising=False)
    names = ("events", "events.owl", "owl", "nest")
    install_plugin("architect-owl", dict.fromkeys(names, "owl_of_the_events"), {"owl_of_the_events": OWL})


@pytest.fixture
def no_plugins(monkeypatch):
    monkeypatch.setattr(loading, "entry_points", lambda **_: loading.EntryPoints())


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch):
    monkeypatch.setattr(events, "handlers", {})


def order_placed(**subscribers):
    entries = {"acme/orders": {"subscriptions": {"order_placed": subscribers}}, "mailer": {"host": "m", "port": 80}}
    return architect.Resolver(entries, current_service="acme/orders").notification("order_placed")


def test_publish_asks_the_runtime_with_what_was_asked_of_it(owl):
    connection = object()
    target, *asked = order_placed(mailer={}).publish({"order": 7}, key="ada", outbox=connection, timeout=2.5)
    assert asked == [b'{"order": 7}', "ada", connection, 2.5]
    assert (target.event, target.source) == ("order_placed", "acme/orders")
    assert [each.name for each in target.subscriptions] == ["mailer"]
    assert target.channel("events.owl").capabilities.keeps
    assert target.broker() is None


def test_publish_for_coroutines_asks_it_the_same(owl):
    _, *asked = asyncio.run(order_placed().aio.publish(b"\xff", key="ada"))
    assert asked == [b"\xff", "ada", None, 10.0]


def test_publish_without_architect_events_says_what_to_install(no_plugins):
    placed = order_placed()
    for publish in (placed.publish, lambda payload: asyncio.run(placed.aio.publish(payload))):
        with pytest.raises(architect.NoPluginError, match=r"^event 'order_placed': .* pip install architect-events$"):
            publish({})


@pytest.mark.parametrize("key", ["", "a\nb", "\0", 7, b"ada"])
def test_a_key_that_cannot_be_sent_is_refused(owl, key):
    with pytest.raises(ValueError, match="`key` must be text without control characters, and not empty, or None"):
        order_placed().publish({}, key=key)


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan, "1", None])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(owl, timeout):
    with pytest.raises(ValueError, match="timeout"):
        order_placed().publish({}, timeout=timeout)


def test_a_payload_that_json_cannot_express_is_refused_and_not_shown(owl):
    placed = order_placed()
    for payload in ({"password": SECRET, "total": math.nan}, {SECRET: object()}, [SECRET, {(1, 2): 3}]):
        for publish in (placed.publish, lambda payload: asyncio.run(placed.aio.publish(payload))):
            with pytest.raises(architect.PayloadError) as caught:
                publish(payload)
            assert SECRET not in repr((str(caught.value), caught.value.__context__))


def test_without_a_broker_there_is_none():
    assert architect.Resolver({}).broker() is None


@pytest.mark.parametrize("text", ["  ", ""])
def test_an_empty_variable_names_no_broker(monkeypatch, text):
    monkeypatch.setenv("ARCHITECT_EVENTS", text)
    assert architect.Resolver({}).broker() is None


def test_a_url_names_the_broker(owl, monkeypatch):
    monkeypatch.setenv("ARCHITECT_EVENTS", f" OWL+feathers://ada:{SECRET}@tree:4150/nest ")
    broker = architect.Resolver({}).broker()
    assert (broker.scheme, broker.where) == ("owl", "the environment variable ARCHITECT_EVENTS")
    assert broker.credentials.url == f"OWL+feathers://ada:{SECRET}@tree:4150/nest"
    assert SECRET not in repr(broker)


@pytest.mark.parametrize(
    "entry", [{"url": "owl://tree"}, {"type": "owl", "host": "tree"}, {"type": "nest", "host": "tree"}]
)
def test_an_object_names_the_broker_and_its_values_may_be_pointers(owl, monkeypatch, tmp_path, entry):
    (tmp_path / "password").write_text(f"{SECRET}\n")
    entry = {**entry, "password": {"$file": str(tmp_path / "password")}}
    monkeypatch.setenv("ARCHITECT_EVENTS", json.dumps(entry))
    broker = architect.Resolver({}).broker()
    assert isinstance(broker, Broker)
    assert broker.scheme == "owl"
    assert broker.credentials.password == SECRET
    assert SECRET not in repr(broker)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"guest:{SECRET}@tree", "must be a URL, such as amqp://broker, or an object with a `url`"),
        (f"localhost:{SECRET}", "must be a URL"),
        (f"[{SECRET}]", "must be a URL"),
        ('{"url": "owl://tree', "is not JSON"),
        (f'{{"url": "owl://:{SECRET}@tree"', "is not JSON"),
        ('{"host": "tree"}', "must be a URL"),
        ('{"url": "owl://tree", "port": 0}', "port: a port is"),
        ('{"url": {"$env": "NO_SUCH_VARIABLE"}}', "url: $env names a variable that is not set"),
        ('{"url": {"$file": "/no/such/file"}}', "url: the file that it names"),
        (f"owl://malformed:{SECRET}@tree", "url: is malformed"),
    ],
)
def test_a_malformed_variable_is_an_error_that_names_it_and_shows_no_secret(owl, monkeypatch, text, reason):
    monkeypatch.setenv("ARCHITECT_EVENTS", text)
    with pytest.raises(architect.ConfigError) as caught:
        architect.Resolver({}).broker()
    assert str(caught.value).startswith("the environment variable ARCHITECT_EVENTS: ")
    assert reason in str(caught.value)
    assert SECRET not in repr((str(caught.value), caught.value.__context__))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("amqp://tree", "pip install architect-rabbitmq"),
        ("amqps://tree", "pip install architect-rabbitmq"),
        ("sqs://eu-central-1", "pip install architect-sqs"),
        ("sqlite:///events.db", "pip install architect-events"),
        (f"pigeon://ada:{SECRET}@tree", "install the package whose entry point .* is named 'events.pigeon'"),
    ],
)
def test_the_error_of_a_scheme_without_a_plugin_says_what_to_install(no_plugins, monkeypatch, url, remedy):
    monkeypatch.setenv("ARCHITECT_EVENTS", url)
    with pytest.raises(architect.NoPluginError, match=f"^ARCHITECT_EVENTS: .*{remedy}$") as caught:
        architect.Resolver({}).broker()
    assert SECRET not in str(caught.value)


def test_a_function_is_registered_and_stays_what_it_is():
    @architect.on("acme/orders", "order_placed", timeout=7)
    def letter(event):
        return event.payload

    (handler,) = events.handlers.values()
    assert (handler.service, handler.event, handler.timeout) == ("acme/orders", "order_placed", 7)
    assert handler.function is letter
    assert letter(Event("7", "order_placed", "acme/orders", datetime.now(UTC), b"[7]")) == [7]


def test_an_event_has_one_handler_and_the_error_says_where_the_other_is(tmp_path):
    def letter(event): ...

    @functools.wraps(letter)
    def logged(event): ...

    architect.on("acme/orders", "order_placed")(letter)
    architect.on("acme/orders", "order_lost")(letter)
    architect.on("acme/orders", "order_placed")(logged)  # is the same, decorated
    other = {"__name__": "other"}
    source = f"def letter(event): ...\nletter.__qualname__ = {letter.__qualname__!r}"
    exec(compile(source, str(tmp_path / "other.py"), "exec"), other)
    with pytest.raises(
        ValueError, match=r"'order_placed' of acme/orders has a handler already: .*letter in .*test_core"
    ):
        architect.on("acme/orders", "order_placed")(other["letter"])
    with pytest.raises(ValueError, match="has a handler already"):
        architect.on("acme/orders", "order_placed")(functools.partial(print))
    assert events.handlers["acme/orders", "order_placed"].function is logged


def test_a_module_that_is_executed_again_replaces_its_handlers():
    def execute():
        exec(compile("def letter(event): ...", "handlers.py", "exec"), module := {})
        return architect.on("acme/orders", "order_placed")(module["letter"])

    execute()
    again = execute()
    assert events.handlers["acme/orders", "order_placed"].function is again


@pytest.mark.parametrize(
    ("service", "event"), [("ac me", "placed"), ("", "placed"), ("a/b/c", "placed"), ("acme", ""), ("acme", "a\nb")]
)
def test_a_malformed_name_of_an_event_has_no_handler(service, event):
    with pytest.raises(ValueError, match="one of these names is malformed"):
        architect.on(service, event)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, None])
def test_a_handler_s_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="timeout"):
        architect.on("acme/orders", "order_placed", timeout=timeout)


def test_an_inbox_is_that_of_the_running_service(owl):
    architect.configure({"acme/mailer": {}}, current_service="acme/mailer")
    assert architect.inbox("connection", "7") == ("connection", "7", "acme/mailer")
    assert architect.inbox("connection", "7", consumer="letters") == ("connection", "7", "letters")


def test_an_inbox_of_a_service_that_is_not_known_is_an_error(owl):
    architect.configure({})
    with pytest.raises(architect.NoCurrentServiceError):
        architect.inbox("connection", "7")


def test_consume_has_the_runtime_consume(owl):
    architect.configure({"acme/mailer": {}}, current_service="acme/mailer")
    architect.consume(concurrency=3)
    ((resolver, concurrency),) = sys.modules["owl_of_the_events"].consumed
    assert (resolver.current_name, concurrency) == ("acme/mailer", 3)


def test_a_subscriber_with_a_handler_and_no_uri_takes_the_event_from_a_broker():
    placed = order_placed(letters={"handler": "letters.handlers"}, mailer={"uri": "/e", "handler": "mailer.handlers"})
    letters, mailer = placed.subscriptions
    assert letters.consumes
    assert not mailer.consumes
    assert [each["uri"] for each in placed.subscriptions()] == ["/e"]


def test_the_secrets_of_a_subscriber_are_its_own_and_never_shown():
    placed = order_placed(mailer={"secret": [SIGNING, f"{SIGNING}MfKQ"]}, other={"handler": "a"})
    mailer, _ = placed.subscriptions
    assert mailer.secrets == (SIGNING, f"{SIGNING}MfKQ")
    entries = parse_services({"a": {"subscriptions": {"e": {"mailer": {"secret": SIGNING}}}}}, "a test")
    assert entries["a"].subscriptions["e"]["mailer"].secret == [SIGNING]
    assert "MfKQ" not in repr((mailer, placed, entries, entries["a"].subscriptions))


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_",
        "whsec_c2hvcnQ=",
        f"whsec_{'A' * 88}AAAA",
        SIGNING.removeprefix("whsec_"),
        f"{SIGNING[:-1]}%",
        SIGNING[:-1],
        7,
    ],
)
def test_a_secret_that_nothing_can_be_signed_with_is_refused_and_not_shown(secret):
    with pytest.raises(architect.ConfigError, match=r"a\.subscriptions\.e\.mailer\.secret") as caught:
        parse_services({"a": {"subscriptions": {"e": {"mailer": {"secret": secret}}}}}, "a test")
    assert secret in {"whsec_", 7} or secret not in str(caught.value)


@pytest.mark.parametrize("module", ["", "a-b", "a..b", "a/b.py", "7up"])
def test_a_handler_s_module_has_the_name_of_a_module(module):
    with pytest.raises(architect.ConfigError, match="must name a Python module"):
        parse_services({"a": {"subscriptions": {"e": {"mailer": {"handler": module}}}}}, "a test")


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name != "content-type" and not name.startswith("ce-")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MESSAGES = st.builds(
    Message,
    TEXTS,
    TEXTS,
    TEXTS,
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.binary(),
    key=st.none() | TEXTS,
    content_type=TEXTS,
    headers=st.dictionaries(NAMES, TEXTS),
)


@given(MESSAGES, st.sampled_from(["ce-", "cloudEvents:", ""]))
def test_a_message_is_the_same_after_a_journey_as_headers_and_a_body(message, prefix):
    if not prefix and message.headers.keys() & {"id", "source", "type", "time", "partitionkey", "specversion"}:
        return
    headers = message.to_headers(prefix)
    assert Message.from_headers(headers, message.body, prefix) == message
    assert Message.from_headers({name.title(): text for name, text in headers.items()}, message.body, prefix) == message


def test_the_headers_of_a_message_are_those_of_cloud_events():
    time = datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1)))
    message = Message("7", "placed", "acme/orders", time, b"{}", key="ada", headers={"traceparent": "00-1-2-00"})
    assert message.to_headers() == {
        "ce-specversion": "1.0",
        "ce-id": "7",
        "ce-source": "acme/orders",
        "ce-type": "placed",
        "ce-time": "2026-01-02T02:04:05.000006Z",
        "ce-partitionkey": "ada",
        "content-type": "application/json",
        "traceparent": "00-1-2-00",
    }


def test_headers_without_a_required_attribute_or_with_a_malformed_time_are_no_message():
    headers = {"CE-Id": "7", "CE-Source": "a", "CE-Type": "e"}
    assert Message.from_headers(headers, b"").key is None
    for name in headers:
        less = {other: text for other, text in headers.items() if other != name}
        with pytest.raises(ValueError, match=f"the header '{name.lower()}' is missing"):
            Message.from_headers(less, b"")
    with pytest.raises(ValueError, match="yesterday"):
        Message.from_headers({**headers, "ce-time": "yesterday"}, b"")


def test_a_message_s_time_is_always_aware():
    headers = {"ce-id": "7", "ce-source": "a", "ce-type": "e"}
    assert Message.from_headers(headers, b"").time.tzinfo is UTC
    naive = Message.from_headers({**headers, "ce-time": "2026-01-02T03:04:05"}, b"")
    assert naive.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(body, **fields):
    return Event("7", "placed", "acme/orders", datetime.now(UTC), body, **fields)


def test_an_event_has_its_payload_and_shows_neither_it_nor_its_headers():
    placed = event('{"name": "ünï ✓", "s3cret": [1]}'.encode(), headers={"authorization": SECRET})
    assert placed.payload == {"name": "ünï ✓", SECRET: [1]}
    assert placed.attempt == 1
    assert SECRET not in repr(placed)


@pytest.mark.parametrize("body", [b"", b"s3cret", b"\xff\xfes3cret", b"{", b"[" * 100_000])
def test_the_payload_of_a_body_that_is_not_json_is_an_error_that_does_not_show_it(body):
    with pytest.raises(
        architect.PayloadError, match="'placed' of acme/orders has a body that is not JSON: use `body`"
    ) as e:
        _ = event(body).payload
    assert e.value.__context__ is None
    assert SECRET not in str(e.value)


def test_messages_and_subscriptions_can_be_members_of_a_set():
    subscription = Subscription("a", "http://a", 1, "/", {"x": "y"}, secrets=(SIGNING,))
    message = event(b"", headers={"x": "y"}, to=subscription)
    assert {message, message} == {message}
