"""What the suites are made of: the hunt for secrets, forks, threads, sockets, and which checks there are."""

from __future__ import annotations

import doctest
import importlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

import architect_testing
from architect_core.contract import Capabilities
from architect_testing import (
    ClientFactorySuite,
    CredentialParserSuite,
    EventChannelSuite,
    EventDeliverySuite,
    SourceSuite,
    assert_hidden,
)
from architect_testing.conformance import credential_texts
from architect_testing.tools.canary import SECRET
from architect_testing.tools.forking import in_child
from architect_testing.tools.sockets import left_open, open_sockets, refusing, silent
from architect_testing.tools.threads import THREADS, together, within

SUITES = (ClientFactorySuite, CredentialParserSuite, EventChannelSuite, EventDeliverySuite, SourceSuite)


class Shown(Exception):
    """An error that shows the secret as a test wants."""


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def raised_while(first: Exception) -> Exception:
    try:
        try:
            raise first
        finally:
            raise Shown("second")
    except Shown as caught:
        return caught


def noted(note: str) -> Exception:
    error = Shown("noted")
    error.add_note(note)
    return error


def with_attribute(name: str, value: object) -> Exception:
    return type("Holding", (Shown,), {name: value})("holding")


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
    return logging.getLogger("a.b").makeRecord("a.b", logging.DEBUG, "f", 1, message, args, None, extra=more or None)


SHOWING = {
    "a text": SECRET,
    "a dictionary": {"key": [SECRET]},
    "an item of a list": [1, (2, f"x{SECRET}x")],
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded but for slashes": quote(SECRET),
    "percent-encoded in lower case": quote(SECRET, safe="").lower(),
    "percent-encoded as in a form": quote_plus(SECRET),
    "percent-encoded twice": quote(quote(SECRET, safe=""), safe=""),
    "escaped in JSON": json.dumps({"k": SECRET}).replace("/", "\\/"),
    "base64": b64encode(SECRET.encode()).decode(),
    **{f"base64 behind {user!r}": b64encode(f"{user}:{SECRET}!".encode()).decode() for user in ("a", "ab", "abc")},
    "base64 for URLs": urlsafe_b64encode(f"ü?:{SECRET}".encode()).decode().rstrip("="),
    "an error's text": Shown(f"as {SECRET}"),
    "an error's second argument": type("Quiet", (Shown,), {"__str__": lambda _: "", "__repr__": lambda _: ""})(
        1, SECRET
    ),
    "an error's attribute": with_attribute("password", SECRET),
    "an error's property": with_attribute("password", property(lambda _: SECRET)),
    "what an error tells as JSON": with_attribute("json", lambda _: SECRET),
    "what an error lists": with_attribute("errors", lambda _: [{"input": SECRET}]),
    "an error's note": noted(SECRET),
    "an error's cause": raised(Shown("second"), Shown(SECRET)),
    "an error's context": raised_while(ValueError(SECRET)),
    "a cause's attribute": raised(Shown("second"), with_attribute("password", SECRET)),
    "an error in an argument": Shown(Shown("inner", with_attribute("password", SECRET))),
    "an error in a group": ExceptionGroup("several", [Shown("first"), noted(SECRET)]),
    "a log record's message": record("as %s", SECRET),
    "a log record's unused argument": record("as", {"password": SECRET}),
    "a log record's field": record("as", password=SECRET),
    "a list of log records": [record("fine"), record(SECRET)],
}


@pytest.mark.parametrize("shown", SHOWING.values(), ids=SHOWING)
def test_a_secret_is_found_wherever_it_shows(shown):
    with pytest.raises(AssertionError, match=r"the secret 'c4nary.* shows in .*place"):
        assert_hidden(SECRET, place=shown)


def test_a_secret_in_an_exception_of_a_log_record_is_found():
    shown = record("failed")
    shown.exc_info = (Shown, raised(Shown("outer"), Shown(SECRET)), None)
    with pytest.raises(AssertionError, match=r"shows in .*logs\[0\]"):
        assert_hidden(SECRET, logs=[shown])


@pytest.mark.parametrize("method", ["__repr__", "__str__", "__format__"])
def test_a_secret_is_found_however_an_object_is_printed(method):
    shown = type("Printed", (), {"__repr__": lambda _: "fine", method: lambda *_: SECRET})()
    with pytest.raises(AssertionError, match="shows in"):
        assert_hidden(SECRET, place=shown)


def test_what_hides_a_secret_passes_even_if_it_refers_to_itself():
    error = raised(Shown("fine", "c4nary"), Shown("also fine"))
    error.self = [error]
    error.__context__ = error.__cause__
    broken = with_attribute("broken", property(lambda _: 1 / 0))
    assert_hidden(SECRET, error=error, broken=broken, logs=[record("fine %s", 1)], nothing=None)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: 1 / 0, "failed with exit code 1\\. .*:\nTraceback.*ZeroDivisionError: division by zero"),
        (lambda: sys.exit(3), "failed with exit code 1\\. .*:\nTraceback.*SystemExit: 3"),
        (lambda: os._exit(3), "failed with exit code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "died of SIGTERM"),
        (lambda: int("x" * 200_000), "invalid literal"),
    ],
)
def test_a_child_s_failure_is_told_with_its_traceback(call: Callable[[], object], told: str):
    with pytest.raises(AssertionError, match=f"(?s){told}"):
        in_child(call, 10.0)


def test_a_child_that_hangs_is_killed_and_says_where(tmp_path):
    def hang() -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        threading.Event().wait()

    started = time.monotonic()
    with pytest.raises(AssertionError, match=r"(?s)did not end within 0\.3 seconds\. .*It hangs at:.* in hang"):
        in_child(hang, 0.3)
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_parent_s_connection_leads_nowhere_in_the_child_and_stays_what_it_was_in_the_parent():
    ours, theirs = socket.socketpair()
    datagrams = socket.socketpair(type=socket.SOCK_DGRAM)
    with ours, theirs, datagrams[0], datagrams[1]:

        def talk() -> None:
            datagrams[0].send(b"from the child")
            ours.settimeout(0.1)
            ours.sendall(b"lost")
            with pytest.raises(TimeoutError):
                ours.recv(1)

        in_child(talk, 10.0)
        ours.sendall(b"kept")
        assert theirs.recv(100) == b"kept"
        assert datagrams[1].recv(100) == b"from the child"


def test_a_child_that_ends_well_tells_nothing():
    in_child(lambda: None, 10.0)


def test_fifty_threads_run_at_once_and_give_their_results_in_order():
    together_there = threading.Barrier(THREADS, timeout=20)
    assert together(lambda number: (together_there.wait(), number)[1]) == list(range(THREADS))


def test_an_error_in_some_threads_is_told_with_its_cause():
    def fail_thrice(number: int) -> None:
        if number % 20 == 3:
            raise KeyError(number)

    with pytest.raises(AssertionError, match=r"3 of 50 threads that called .*, the first with a KeyError: 3"):
        together(fail_thrice)


def test_a_call_that_takes_long_is_not_waited_for():
    release = threading.Event()
    late = within(0.1, release.wait)
    assert not late.done()
    release.set()
    assert late.result(10)
    assert within(10, lambda: 7).result(0) == 7
    assert isinstance(within(10, lambda: 1 / 0).exception(0), ZeroDivisionError)


def test_a_socket_that_stays_open_is_counted_and_one_that_closes_in_time_is_not():
    before = open_sockets()
    with socket.socket() as first, socket.socket():
        assert left_open(before, 0.05) == 2
        threading.Timer(0.1, first.close).start()
        assert left_open(before, 0.5) == 1
    assert left_open(before, 5.0) == 0


def test_a_refusing_port_refuses_and_a_silent_one_resets_when_it_ends():
    with refusing() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    with silent() as port:
        connection = socket.create_connection(("127.0.0.1", port), 0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


class Stated(ClientFactorySuite, abstract=True):
    api = "line"

    def call(self, client: object) -> None: ...


def checks(suite: type) -> set[str]:
    return {name for name in dir(suite) if name.startswith("test_") and getattr(suite, name) is not None}


def test_a_suite_that_does_not_state_what_it_must_is_told():
    with pytest.raises(TypeError, match="Empty must define api, errors, call; see the docstring of its suite"):
        type("Empty", (ClientFactorySuite,), {})
    with pytest.raises(TypeError, match="Half must define errors; "):
        type("Half", (Stated,), {})
    with pytest.raises(TypeError, match="NoSource must define name, store, store_malformed"):
        type("NoSource", (SourceSuite,), {})


DEAD = {
    "test_a_refused_connection_raises_the_library_s_error",
    "test_a_service_that_never_answers_raises_the_library_s_error",
    "test_secrets_show_in_no_error_of_a_dead_endpoint",
}
LOGIN_IN_URL = {"test_every_character_of_a_user_name_and_a_password_survives_in_a_url"}
URL = {"test_the_url_is_an_entry_that_gives_the_same_credentials"}
OPTIONS = {"test_an_unknown_option_is_refused_with_its_path"}
KEEPING = {"channel": "events.a", "capabilities": Capabilities(orders=True, holds_back=True, max_bytes=1), "lease": 1.0}
DELIVERING = {"channel": "events.a", "capabilities": Capabilities(keeps=False)}
NEST = {"engine": "nest", "default_port": 1, "url_scheme": "nest"}


@pytest.mark.parametrize(
    ("suite", "stated", "gone"),
    [
        (Stated, {"errors": (OSError,)}, set()),
        (Stated, {"errors": None}, DEAD),
        (Stated, {"errors": (OSError,), "answers": False}, {name for name in DEAD if "never_answers" in name}),
        (Stated, {"errors": (OSError,), "checks_options": False}, OPTIONS),
        (CredentialParserSuite, NEST, set()),
        (
            CredentialParserSuite,
            NEST | {"default_port": None},
            {"test_the_default_port_is_used_where_none_is_configured"},
        ),
        (CredentialParserSuite, NEST | {"url_scheme": None}, LOGIN_IN_URL | URL),
        (CredentialParserSuite, NEST | {"url_fields": ("name",)}, LOGIN_IN_URL),
        (CredentialParserSuite, NEST | {"checks_options": False}, OPTIONS),
        (EventChannelSuite, KEEPING, set()),
        (EventChannelSuite, KEEPING | {"lease": None}, {"test_an_extended_lease_lasts_longer"}),
        (
            EventChannelSuite,
            KEEPING | {"network": False},
            {"test_a_broker_that_is_gone_is_an_error_in_time", "test_a_lost_connection_is_made_again"},
        ),
        (
            EventChannelSuite,
            KEEPING | {"capabilities": Capabilities()},
            {
                "test_a_body_that_is_too_large_fails_alone_and_for_good",
                "test_messages_with_the_same_key_arrive_in_order",
                "test_messages_wait_for_one_with_their_key_that_is_retried",
            },
        ),
        (EventDeliverySuite, DELIVERING, set()),
        (EventDeliverySuite, DELIVERING | {"answers": False}, {"test_silent_subscribers_delay_no_other"}),
        (
            SourceSuite,
            {"name": "a", "store": print, "store_malformed": print, "names_current_service": False},
            {"test_the_current_service_is_loaded"},
        ),
    ],
)
def test_a_check_that_does_not_apply_is_not_there(suite, stated, gone):
    made = type("TestSomething", (suite,), stated)
    assert checks(suite) - checks(made) == gone
    again = type("TestMore", (made,), {"test_a_call_works": None})
    assert checks(made) - checks(again) == {"test_a_call_works"} & checks(made)


@pytest.mark.parametrize("suite", SUITES)
def test_every_check_says_what_it_checks(suite):
    assert len(checks(suite)) >= 9
    assert all(getattr(suite, name).__doc__ for name in checks(suite))


def test_the_public_names_are_sorted():
    assert architect_testing.__all__ == sorted(architect_testing.__all__)


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(credential_texts).failed == 0


def test_every_printable_character_is_tried_alone_and_at_every_place():
    texts = set(credential_texts.texts())
    assert {*map(chr, range(32, 127))} <= texts
    assert {f"{each}a{each}b{each}" for each in map(chr, range(32, 127))} <= texts
    assert len([text for text in texts if len(text) == 1 and not text.isascii()]) > 50


def test_the_module_s_former_place_names_the_new_one():
    message = r"^architect_core\.testing is now architect_testing: pip install architect-testing$"
    with pytest.raises(ImportError, match=message):
        importlib.import_module("architect_core.testing")


@pytest.mark.parametrize("suite", [base for suite in SUITES for base in suite.__mro__[:-1]])
def test_the_suites_asserts_tell_what_they_compared(suite):
    assert type(sys.modules[suite.__module__].__loader__).__name__ == "AssertionRewritingHook"
