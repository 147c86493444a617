"""Signatures are those of Standard Webhooks; what is not signed, or too old, is refused."""

from __future__ import annotations

import doctest
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from architect_rest import webhooks
from architect_rest.webhooks import SignatureError, sign, signing, verify
from architect_testing.tools.canary import SECRET, assert_hidden

NEW = "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldA=="
OLD = "whsec_YW4gb2xkZXIgc2VjcmV0IG9mIGEgcGVlcg=="
OTHER = "whsec_bm9ib2R5IGhlcmUga25vd3MgdGhpcyBvbmU="
BODY = b'{"order": 7}'


def signed(body=BODY, secrets=(NEW,), age=0, **changes):
    """The headers of a request; a change to None removes one."""
    now = int(time.time()) - age
    signatures = " ".join(sign("m1", now, body, secret) for secret in secrets)
    headers = {"Webhook-Id": "m1", "Webhook-Timestamp": str(now), "Webhook-Signature": signatures}
    for name, value in changes.items():
        headers[f"Webhook-{name}"] = value
    return {name: value for name, value in headers.items() if value is not None}


def test_the_examples_of_the_documentation_hold():
    assert doctest.testmod(signing).failed == 0
    assert webhooks.__all__ == sorted(webhooks.__all__)
    for name in webhooks.__all__:
        assert getattr(webhooks, name).__doc__


@given(body=st.text().map(str.encode), secret=st.binary(min_size=1, max_size=64))
def test_standardwebhooks_verifies_what_we_sign_and_signs_what_we_verify(body, secret):
    import base64

    text = "whsec_" + base64.b64encode(secret).decode()
    now = datetime.now(UTC)
    theirs = Webhook(text).sign("m1", now, body.decode())
    assert theirs == sign("m1", int(now.timestamp()), body, text)
    headers = {"webhook-id": "m1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": theirs}
    Webhook(text).verify(body, headers, json_parse=False)
    assert verify(headers, body, text).body == body


def test_an_event_has_the_attributes_that_cloudevents_headers_give_it():
    more = {
        "CE-Id": "m1",
        "ce-type": "order_placed",
        "ce-source": "acme/orders",
        "ce-specversion": "1.0",
        "ce-time": "2026-01-02T03:04:05Z",
        "ce-partitionkey": "Ada%20%22%C3%BC%22%20100%25",
        "Content-Type": "text/x",
        "traceparent": "t",
    }
    event = verify(signed() | more, BODY, NEW)
    assert (event.id, event.event, event.source, event.key) == ("m1", "order_placed", "acme/orders", 'Ada "ü" 100%')
    assert (event.content_type, event.time) == ("text/x", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (event.payload, event.attempt, event.headers["traceparent"]) == ({"order": 7}, 1, "t")


def test_a_request_of_any_other_sender_of_standard_webhooks_is_an_event_too():
    event = verify(signed(), BODY, NEW)
    assert (event.id, event.event, event.source, event.payload) == ("m1", "", "", {"order": 7})
    assert abs(event.time.timestamp() - time.time()) < 5


@pytest.mark.parametrize("sent", [(NEW,), (OLD,), (NEW, OLD), (OTHER, OLD)])
def test_while_a_secret_is_replaced_any_of_several_is_right(sent):
    assert verify(signed(secrets=sent), BODY, [NEW, OLD]).id == "m1"


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (signed(secrets=(OTHER,)), BODY, "the signature is wrong"),
        (signed(), BODY + b" ", "the signature is wrong"),
        (signed(Id="m2"), BODY, "the signature is wrong"),
        (signed(Timestamp=str(int(time.time()) - 1)), BODY, "the signature is wrong"),
        (signed(Signature="v1,"), BODY, "the signature is wrong"),
        (signed(Signature="nonsense ü , v1"), BODY, "the signature is wrong"),
        (signed(Signature=signed()["Webhook-Signature"].replace("v1,", "v2,")), BODY, "the signature is wrong"),
        (signed(Signature=signed()["Webhook-Signature"].replace("v1,", "v1a,")), BODY, "the signature is wrong"),
        (signed(Signature=signed()["Webhook-Signature"].removeprefix("v1,")), BODY, "the signature is wrong"),
        (signed(Id=None), BODY, "webhook-id is missing"),
        (signed(Timestamp=None), BODY, "webhook-timestamp is missing"),
        (signed(Signature=None), BODY, "webhook-signature is missing"),
        (signed(Signature=" "), BODY, "webhook-signature is missing"),
        (signed(Timestamp="yesterday"), BODY, "webhook-timestamp is malformed"),
        (signed(Timestamp="1e9"), BODY, "webhook-timestamp is malformed"),
        (signed(Timestamp="-1"), BODY, "webhook-timestamp is malformed"),
        (signed(Timestamp="9" * 5000), BODY, "webhook-timestamp is malformed"),
        (signed(Timestamp="²"), BODY, "webhook-timestamp is malformed"),
        ({}, b"", "webhook-id is missing"),
        (signed() | {"ce-id": "m2"}, BODY, "webhook-id and ce-id differ"),
        (signed() | {"ce-time": "yesterday"}, BODY, "ce-time is malformed"),
    ],
)
def test_what_is_not_signed_as_it_should_be_is_refused(headers, body, reason):
    with pytest.raises(SignatureError, match=reason):
        verify(headers, body, NEW)


@pytest.mark.parametrize(("age", "reason"), [(310, "too old"), (-310, "in the future"), (10**9, "too old")])
def test_a_signature_of_another_time_is_refused(age, reason):
    with pytest.raises(SignatureError, match=reason):
        verify(signed(age=age), BODY, NEW)


@pytest.mark.parametrize("age", [290, -290])
def test_clocks_may_differ_within_the_tolerance(age):
    assert verify(signed(age=age), BODY, NEW)
    with pytest.raises(SignatureError):
        verify(signed(age=age), BODY, NEW, tolerance=200)


@pytest.mark.parametrize("secrets", ["", [], "whsec_", f"whsec_{SECRET}", [NEW, "?"], "whsec_ü"])
def test_a_missing_or_malformed_secret_is_an_error_of_the_caller_that_does_not_show_it(secrets):
    with pytest.raises(ValueError, match="secret") as caught:
        verify(signed(), BODY, secrets)
    assert_hidden(SECRET, error=caught.value)


def test_an_error_shows_neither_the_body_nor_the_right_signature():
    with pytest.raises(SignatureError) as caught:
        verify(signed(body=b"other"), SECRET.encode(), NEW)
    assert_hidden(SECRET, error=caught.value)
    assert "v1," not in str(caught.value)
