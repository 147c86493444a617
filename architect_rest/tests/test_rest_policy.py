"""The policy decides on attempts without sending anything."""

from __future__ import annotations

from time import monotonic

import pytest
from requests.utils import get_environ_proxies, select_proxy

from architect_core.deadline import deadline
from architect_rest import CircuitOpenError
from architect_rest.policy.attempts import Attempt, Call, Pause, Policy
from architect_rest.policy.endpoints import Endpoints
from architect_rest.policy.limits import end_of_call
from architect_rest.policy.proxies import proxy_for
from architect_rest.policy.retry import retry_after


def call(method="GET", **more):
    return Call(method, more.pop("headers", {}), lambda: True, lambda: False, more.pop("end", None))


def follow(policy, made, report):
    """The endpoint of each attempt and the length of each pause, if `report` is called with each attempt."""
    seen = []
    for step in policy.steps(made):
        if isinstance(step, Attempt):
            seen.append(step.endpoint.url)
            report(step)
        else:
            seen.append(step)
    return seen


def break_off(attempt):
    attempt.failed("ReadTimeout", is_unsent=False, is_final=False)


def test_a_failed_attempt_is_repeated_at_another_endpoint_without_a_pause():
    policy = Policy(Endpoints(["http://a", "http://b"]), 1, CircuitOpenError)
    first, pause, second = follow(policy, call(), break_off)
    assert {first, second} == {"http://a", "http://b"}
    assert pause == Pause(0.0)
    assert [each.active for each in policy.endpoints.all] == [0, 0]


@pytest.mark.parametrize(
    ("made", "attempts"),
    [
        (call("GET"), 3),
        (call("POST"), 1),
        (call("POST", headers={"Idempotency-Key": "1"}), 3),
        (Call("PUT", {}, lambda: False, lambda: False, None), 1),  # a body that cannot be sent again
        (call(end=monotonic() - 1), 1),
    ],
)
def test_only_what_may_be_repeated_in_time_is_repeated(made, attempts):
    policy = Policy(Endpoints(["http://a"]), 2, CircuitOpenError)
    seen = follow(policy, made, break_off)
    assert seen[::2] == ["http://a"] * attempts
    assert all(isinstance(each, Pause) for each in seen[1::2])


@pytest.mark.parametrize(("method", "attempts"), [("GET", 1), ("POST", 3)])
def test_the_methods_that_a_service_states_are_repeated_and_no_others(method, attempts):
    policy = Policy(Endpoints(["http://a"]), 2, CircuitOpenError, retries_for=["POST"])
    assert follow(policy, call(method), break_off)[::2] == ["http://a"] * attempts
    keyed = call("PATCH", headers={"Idempotency-Key": "1"})
    assert follow(Policy(Endpoints(["http://a"]), 1, CircuitOpenError, retries_for=[]), keyed, break_off)[2:]


def test_what_was_not_sent_is_repeated_whatever_the_method():
    policy = Policy(Endpoints(["http://a"]), 2, CircuitOpenError)
    seen = follow(policy, call("POST"), lambda step: step.failed("ConnectError", is_unsent=True, is_final=False))
    assert len(seen) == 5


def test_a_pause_is_as_long_as_retry_after_says_unless_that_is_longer_than_30_seconds():
    for asked, expected in (("7", ["http://a", Pause(7.0), "http://a"]), ("31", ["http://a"])):
        policy = Policy(Endpoints(["http://a"]), 1, CircuitOpenError)
        assert follow(policy, call(), lambda step, asked=asked: step.answered(503, {"Retry-After": asked})) == expected


def test_a_closed_generator_counts_nothing():
    policy = Policy(Endpoints(["http://a"]), 2, CircuitOpenError)
    for _ in range(6):
        steps = policy.steps(call())
        next(steps)
        steps.close()
    (endpoint,) = policy.endpoints.all
    assert (endpoint.active, endpoint.ejection.failures) == (0, 0)


@pytest.mark.parametrize(("text", "seconds"), [(None, None), ("soon", None), (" 3 ", 3.0), ("-1", None)])
def test_a_malformed_retry_after_is_none(text, seconds):
    assert retry_after(text) == seconds


def test_a_call_ends_with_the_first_of_its_total_timeout_and_its_deadline():
    with deadline(5):
        assert end_of_call(3) == pytest.approx(monotonic() + 3, abs=1)
        assert end_of_call(9) == pytest.approx(monotonic() + 5, abs=1)
        assert end_of_call(3, (4, 1)) == pytest.approx(monotonic() + 4, abs=1)
    assert end_of_call(3, (None, 1)) is None


@pytest.mark.parametrize(
    "no_proxy", ["", "internal", ".internal", "billing.internal:80", "10.0.0.0/8", "10.0.0.7", "a,*"]
)
@pytest.mark.parametrize("url", ["http://billing.internal:80/x", "https://10.0.0.7/x", "http://[::1]:8080/"])
def test_the_proxy_is_the_one_that_requests_uses(monkeypatch, url, no_proxy):
    monkeypatch.setenv("HTTP_PROXY", "proxy:3128")
    monkeypatch.setenv("ALL_PROXY", "http://other:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    wanted = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    assert proxy_for(url) in ({wanted, f"http://{wanted}"} if wanted else {None})
