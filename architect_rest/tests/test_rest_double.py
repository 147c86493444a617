"""A double of a REST service answers the real client, without a socket."""

from __future__ import annotations

import doctest
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from wsgiref.validate import validator

import pytest
import requests
from requests.auth import HTTPDigestAuth

import architect.sdk as architect
from architect.testing import Doubles
from architect_rest import ForeignOriginError, PathParameterError, RestClient
from architect_rest.doubles import UnansweredError


@pytest.fixture
def doubles():
    with Doubles() as opened:
        yield opened


@pytest.fixture
def billing(doubles):
    """Returns the client of a service with the given behaviour, and its double."""

    def stand_in(behaviour, **entry):
        double = doubles.service("acme/billing", "rest", behaviour, **entry)
        return architect.service("acme/billing").client, double

    return stand_in


def echo(environ, start_response):
    """Answers with the environment of the request."""
    got = {key: value for key, value in environ.items() if isinstance(value, str | bool | tuple)}
    got["body"] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode("latin-1")
    body = json.dumps(got).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@pytest.mark.parametrize("module", ["stand_in", "table"])
def test_the_examples_in_the_docstrings_run(module):
    assert doctest.testmod(importlib.import_module(f"architect_rest.doubles.{module}")).failed == 0


# the table


def test_a_table_says_what_the_service_answers(billing):
    client, double = billing(
        {
            "GET /invoices/7": {"paid": False},
            "GET /list": [1, None],
            "GET /none": None,
            "GET /text": "grüße",
            "GET /bytes": b"\x00\xff",
            "GET /gone": (410, {"error": "gone"}),
            "GET /moved": (303, "", {"Location": "/invoices/7"}),
            "GET /typed": (200, "<a/>", {"content-type": "text/xml", "Age": 7}),
            "DELETE /invoices/7": (204, None),
        }
    )
    answer = client.get("/invoices/7")
    assert (answer.status_code, answer.reason, answer.json()) == (200, "OK", {"paid": False})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.ok
    assert client.get("/list").json() == [1, None]
    assert client.get("/none").json() is None
    assert client.get("/text").text == "grüße"
    assert client.get("/text").headers["Content-Type"] == "text/plain; charset=utf-8"
    assert client.get("/bytes").content == b"\x00\xff"
    with pytest.raises(requests.HTTPError, match="410 Client Error: Gone for url: http"):
        client.get("/gone").raise_for_status()
    assert client.get("/moved").json() == {"paid": False}
    assert client.get("/typed").headers["content-type"] == "text/xml"
    assert client.get("/typed").headers["age"] == "7"
    assert (client.delete("/invoices/7").status_code, client.delete("/invoices/7").content) == (204, b"")
    assert "Content-Type" not in client.delete("/invoices/7").headers
    assert [each.method for each in double.requests[-3:]] == ["DELETE"] * 3


def test_requests_are_recorded_in_order(billing):
    client, double = billing({"GET /a": 1, "POST /b": lambda request: {"got": json.loads(request.body)}})
    client.get("/a", params={"page": 2}, headers={"x-trace": "7"})
    client.post("/b", json={"amount": 10})
    first, second = double.requests
    assert all(isinstance(each, requests.PreparedRequest) for each in double.requests)
    assert (first.method, first.path_url, first.headers["x-trace"]) == ("GET", "/a?page=2", "7")
    assert (second.path_url, json.loads(second.body)) == ("/b", {"amount": 10})


def test_a_callable_is_given_the_request_and_may_answer_anything(billing):
    client, _ = billing(
        {
            "POST /sum": lambda request: (201, sum(json.loads(request.body))),
            "POST /fail": lambda request: requests.ReadTimeout("slow"),
        }
    )
    assert (client.post("/sum", json=[1, 2]).status_code, client.post("/sum", json=[1, 2]).json()) == (201, 3)
    with pytest.raises(requests.ReadTimeout):
        client.post("/fail")


def test_an_exception_is_raised_as_the_network_would(billing):
    error = requests.ConnectTimeout("too slow")
    client, double = billing({"GET /invoices/7": error})
    for _ in range(2):
        with pytest.raises(requests.ConnectTimeout) as caught:
            client.get("/invoices/7")
        assert caught.value is error
        assert caught.value.request.path_url == "/invoices/7"
    assert len(double.requests) == 2


def test_a_placeholder_stands_for_one_segment(billing):
    client, _ = billing({"GET /invoices/:number": "one", "GET /invoices/:number/lines/:line": "line"})
    assert client.get("/invoices/7").text == "one"
    assert client.get("/invoices/:number", path_params={"number": "2026/7"}).text == "one"
    assert client.get("/invoices/7/lines/1").text == "line"
    with pytest.raises(UnansweredError):
        client.get("/invoices/7/lines")


def test_the_most_specific_row_answers(billing):
    rows = {
        "GET /invoices/:number": "any",
        "GET /invoices/7": "seven",
        "GET /invoices/7?paid=no&page=1": "seven, unpaid",
        "GET /:what/7": "any seventh",
    }
    for table in (rows, dict(reversed(rows.items()))):
        client, _ = billing(table)
        assert client.get("/invoices/8").text == "any"
        assert client.get("/invoices/7").text == "seven"
        assert client.get("/invoices/7?paid=yes").text == "seven"
        assert client.get("/invoices/7", params={"page": "1", "paid": "no"}).text == "seven, unpaid"


def test_of_two_equally_specific_rows_the_first_answers(billing):
    rows = {"GET /invoices/:number": "an invoice", "GET /:what/7": "a seventh"}
    for table in (rows, dict(reversed(rows.items()))):
        assert billing(table)[0].get("/invoices/7").text == next(iter(table.values()))


def test_a_path_is_the_same_however_it_is_encoded(billing):
    client, _ = billing({"GET /übersicht/a%2Fb": "here", "GET /": "root", "GET /slash/": "with"})
    assert client.get("/übersicht/a%2fb").text == "here"
    assert client.get("/%C3%BCbersicht/a%2Fb").text == "here"
    assert client.get("").text == client.get("/").text == "root"
    assert client.get("/slash/").text == "with"
    for other in ("/übersicht/a/b", "/slash"):
        with pytest.raises(UnansweredError):
            client.get(other)


def test_a_query_that_a_row_states_must_be_asked(billing):
    client, _ = billing({"GET /invoices?paid=no": []})
    assert client.get("/invoices?paid=no").json() == []
    for other in ("/invoices", "/invoices?paid=yes", "/invoices?paid=no&page=2"):
        with pytest.raises(UnansweredError):
            client.get(other)


def test_the_error_for_an_unanswered_request_has_the_request_and_the_rows(billing):
    client, double = billing({"GET /invoices/7": {}, "POST /invoices": {}})
    with pytest.raises(UnansweredError) as caught:
        client.get("/invoice/7?x=1")
    assert str(caught.value) == (
        "the double of acme/billing has no answer to GET /invoice/7?x=1 (did you mean 'GET /invoices/7'?); answered: "
        "GET /invoices/7, POST /invoices. Add a row to its table"
    )
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, architect.ArchitectError)
    assert not isinstance(caught.value, OSError)  # which requests' own errors are, and applications expect
    assert [each.path_url for each in double.requests] == ["/invoice/7?x=1"]


def test_the_table_may_be_changed_while_the_test_runs(billing):
    table = {"GET /a": 1}
    client, _ = billing(table)
    assert client.get("/a").json() == 1
    table["GET /a"] = 2
    table["GET /b"] = 3
    assert (client.get("/a").json(), client.get("/b").json()) == (2, 3)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ({"/invoices": 1}, "the double of acme/billing, row '/invoices': a row is called by a method and a path"),
        ({"GET invoices": 1}, "row 'GET invoices': a row is called by"),
        ({"GET http://other/": 1}, "row 'GET http://other/': a row is called by"),
        ({7: 1}, "row 7: a row is called by"),
        ({"GET /a": object()}, "row 'GET /a': the answer is no JSON"),
        ({"GET /a": (1, 2, 3, 4)}, r"row 'GET /a': the answer is a tuple that is neither \(status, value\)"),
        ({"GET /a": (1000, "")}, "with a status from 200 to 599"),
        ({"GET /a": (200, "", "x")}, "neither"),
        ("GET /a", "the double of acme/billing is given a str; give a WSGI or ASGI application, or a table"),
        (None, "is given a NoneType; give"),
    ],
)
def test_a_malformed_behaviour_is_a_type_error_at_once(billing, behaviour, expected):
    with pytest.raises(TypeError, match=expected):
        billing(behaviour)


def test_what_a_callable_answers_is_checked_too(billing):
    client, _ = billing({"GET /a": lambda request: (7,)})
    with pytest.raises(TypeError, match="the double of acme/billing, row 'GET /a': the answer is a tuple"):
        client.get("/a")


# WSGI applications


def test_an_application_is_called_as_by_a_server(billing):
    client, double = billing(validator(echo))
    got = client.put("/a%20b/c%2Fd?x=1&y=%20", data=b"\xffbody", headers={"X-One": "1", "Content-Type": "a/b"}).json()
    expected = {
        "REQUEST_METHOD": "PUT",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/c/d",
        "QUERY_STRING": "x=1&y=%20",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "5",
        "HTTP_X_ONE": "1",
        "HTTP_HOST": "acme.billing.invalid",
        "SERVER_NAME": "acme.billing.invalid",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "body": "\xffbody",
    }
    assert {key: got.get(key) for key in expected} == expected
    assert "HTTP_CONTENT_TYPE" not in got
    assert [each.path_url for each in double.requests] == ["/a%20b/c%2Fd?x=1&y=%20"]


def test_an_application_gets_no_variable_of_the_process_environment(billing):
    assert not set(os.environ) & set(billing(echo)[0].get("/").json())


def test_a_base_path_is_where_the_application_is_mounted(billing):
    anywhere = {"jail": "origin"}
    client, double = billing(echo, host="https://billing.internal/v1", port=8443, options=anywhere)
    got = client.get("/invoices").json()
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("/v1", "/invoices")
    assert (got["wsgi.url_scheme"], got["HTTP_HOST"], got["SERVER_PORT"]) == ("https", "billing.internal:8443", "8443")
    assert double.requests[0].url == "https://billing.internal:8443/v1/invoices"
    got = client.get("https://billing.internal:8443/v11").json()
    assert (got["SCRIPT_NAME"], got["PATH_INFO"]) == ("", "/v11")
    answers = {"GET /invoices": "below", "GET /other": "beside"}
    client, _ = billing(answers, host="http://billing.internal/v1", options=anywhere)
    assert client.get("/invoices").text == "below"
    assert client.get("http://billing.internal/other").text == "beside"


@pytest.mark.parametrize("body", ["text", b"bytes", "file", "generator", "textfile", "form", "multipart"])
def test_every_kind_of_body_arrives_and_is_recorded(billing, tmp_path, body):
    (tmp_path / "file").write_bytes(b"of a file")
    client, double = billing(echo)
    if body == "form":
        assert client.post("/", data={"a": "1"}).json()["body"] == "a=1"
    elif body == "multipart":
        assert 'filename="f"' in client.post("/", files={"f": b"data"}).json()["body"]
    elif body in {"file", "textfile"}:
        with (tmp_path / "file").open("rb") if body == "file" else io.StringIO("of a file") as file:
            assert client.post("/", data=file).json()["body"] == "of a file"
        assert double.requests[0].body == b"of a file"
    elif body == "generator":
        got = client.post("/", data=iter([b"a", b"b"])).json()
        assert (got["body"], got["CONTENT_LENGTH"]) == ("ab", "2")
        assert "HTTP_TRANSFER_ENCODING" not in got
        assert double.requests[0].body == b"ab"
        assert double.requests[0].headers["Transfer-Encoding"] == "chunked"
    else:
        assert client.post("/", data=body).json()["body"] == (body if isinstance(body, str) else body.decode())
        assert double.requests[0].body == body


def test_cookies_and_headers_of_every_kind_arrive(billing):
    def application(environ, start_response):
        headers = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/"), ("X-Name", "caf\xe9")]
        start_response("299 Fine enough", headers)
        return [environ.get("HTTP_COOKIE", "none").encode()]

    client, _ = billing(application)
    answer = client.get("/")
    assert (answer.status_code, answer.reason, answer.text) == (299, "Fine enough", "none")
    assert answer.headers["x-name"] == "caf\xe9"
    assert answer.cookies.get_dict() == client.cookies.get_dict() == {"a": "1", "b": "2"}
    assert client.get("/").text == "a=1; b=2"


def test_redirects_are_followed_as_ever_and_recorded(billing):
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/here":
            start_response("307 Temporary Redirect", [("Location", "/there?x=1")])
            return []
        return echo(environ, start_response)

    client, double = billing(application)
    answer = client.post("/here", data=b"body")
    assert (answer.json()["PATH_INFO"], answer.json()["body"]) == ("/there", "body")
    assert [each.status_code for each in answer.history] == [307]
    assert [each.path_url for each in double.requests] == ["/here", "/there?x=1"]
    assert client.get("/here", allow_redirects=False).status_code == 307


def test_a_redirect_to_another_origin_is_not_followed_into_the_network(billing):
    client, double = billing({"GET /away": (302, "", {"Location": "http://files.example/7"})})
    with pytest.raises(UnansweredError, match=r"redirects to http://files\.example:80, for which nothing"):
        client.get("/away")
    assert [each.path_url for each in double.requests] == ["/away"]


def test_a_challenge_is_answered_within_the_double(billing):
    def application(environ, start_response):
        if "HTTP_AUTHORIZATION" not in environ:
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
            return [b""]
        return echo(environ, start_response)

    client, double = billing(application)
    answer = client.get("/", auth=HTTPDigestAuth("u", "p"))
    assert answer.json()["HTTP_AUTHORIZATION"].startswith("Digest ")
    assert len(double.requests) == 2


def test_a_body_is_streamed_as_far_as_it_is_read(billing):
    produced, closed = [], []

    class Body:
        def __iter__(self):
            return self

        def __next__(self):
            produced.append(1)
            return b"line\n"

        def close(self):
            closed.append(1)

    def application(environ, start_response):
        start_response("200 OK", [])
        return Body()

    client, _ = billing(application)
    with client.get("/events", stream=True) as answer:
        assert next(answer.iter_lines(chunk_size=1)) == b"line"
        assert len(produced) < 5
        assert closed == []
    assert closed == [1]


def test_a_body_that_was_read_is_closed(billing):
    closed = []

    class Body(list):
        def close(self):
            closed.append(1)

    def application(environ, start_response):
        write = start_response("200 OK", [])
        write(b"one ")
        return Body([b"two ", b"", b"three"])

    assert billing(application)[0].get("/").text == "one two three"
    assert closed == [1]


def test_a_head_has_no_body_and_an_encoded_body_is_decoded(billing):
    import gzip

    def application(environ, start_response):
        start_response("200 OK", [("Content-Encoding", "gzip")])
        return [gzip.compress(b"text")]

    client, _ = billing(application)
    assert client.get("/").text == "text"
    head = client.head("/")
    assert (head.content, head.status_code) == (b"", 200)
    assert int(head.headers["Content-Length"]) == len(gzip.compress(b"text"))


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), ConnectionResetError("x"), SystemExit("x")])
@pytest.mark.parametrize("when", ["called", "iterated", "later"])
def test_what_an_application_raises_is_raised_in_the_test(billing, error, when):
    def application(environ, start_response):
        if when == "called":
            raise error
        start_response("200 OK", [])
        return body()

    def body():
        if when == "later":
            yield b"begin"
        raise error

    client, double = billing(application)
    with pytest.raises((type(error), requests.exceptions.ChunkedEncodingError)) as caught:
        client.get("/")
    if not (when == "later" and isinstance(error, OSError)):  # which is a connection that breaks
        assert caught.value is error
    assert len(double.requests) == 1


def test_a_body_that_fails_is_closed(billing):
    closed = []

    class Body:
        def __iter__(self):
            raise ZeroDivisionError

        def close(self):
            closed.append(1)

    def application(environ, start_response):
        start_response("200 OK", [])
        return Body()

    client, _ = billing(application)
    with pytest.raises(ZeroDivisionError) as caught:
        client.get("/")
    assert closed == [1]  # while the error, and with it all that raised it, is still there
    del caught


def test_an_answer_that_is_shorter_than_it_says_is_a_broken_connection(billing):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        billing(application)[0].get("/")


# the client


def test_the_client_is_the_one_of_production_with_its_options_and_refusals(billing):
    client, double = billing(echo, options={"read_timeout": 1.5}, host="http://u:p@billing.internal")
    assert type(client) is RestClient
    assert client.timeout == (3.0, 1.5)
    assert client.get("/").json()["HTTP_AUTHORIZATION"].startswith("Basic ")
    assert client.get("/i/:n", path_params={"n": "a/b"}).json()["PATH_INFO"] == "/i/a/b"
    asked = len(double.requests)
    with pytest.raises(ForeignOriginError):
        client.get("http://elsewhere.example/")
    with pytest.raises(PathParameterError):
        client.get("/i/:n", path_params={})
    assert len(double.requests) == asked
    with pytest.raises(architect.ConfigError, match=r"options\.read_timeout"):
        billing(echo, options={"read_timeout": -1})


def test_no_adapter_that_the_application_mounts_reaches_the_network(billing):
    client, double = billing(echo)
    client.mount(client.base_url, requests.adapters.HTTPAdapter(max_retries=2))
    assert client.get("/").json()["PATH_INFO"] == "/"
    assert len(double.requests) == 1


def test_hooks_and_elapsed_time_are_as_ever(billing):
    client, _ = billing({"GET /": "x"})
    seen = []
    answer = client.get("/", hooks={"response": lambda response, **_: seen.append(response.status_code)})
    assert seen == [200]
    assert answer.raw.version == 11
    assert answer.elapsed.total_seconds() >= 0
    assert answer.request.path_url == "/"
    assert answer.url == "http://acme.billing.invalid/"


def test_threads_may_ask_at_once(billing):
    client, double = billing({"GET /:n": lambda request: request.path_url})
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.extend(client.get(f"/{n}").text == f"/{n}" for _ in range(20)))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 160
    assert len(double.requests) == 160


def test_a_client_that_outlives_its_test_says_so():
    with Doubles() as doubles:
        doubles.service("acme/billing", "rest", {"GET /a": 1})
        kept = architect.service("acme/billing").client
    with pytest.raises(UnansweredError, match=r"is asked for GET /a after its test\. Ask architect\.ser"):
        kept.get("/a")


def test_a_client_can_be_pickled_and_survives_a_fork(billing):
    client, _ = billing({"GET /a": 1})
    assert pickle.loads(pickle.dumps(client)).get("/a").json() == 1
    child = os.fork()
    if child == 0:
        os._exit(client.get("/a").json() != 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


NO_SOCKETS = """
import sys, requests
import architect.sdk as architect
from architect.testing import Doubles

def refuse(event, arguments):
    if event.startswith("socket."):
        raise AssertionError(event)

def application(environ, start_response):
    start_response("302 Found", [("Location", "/text")] if environ["PATH_INFO"] == "/" else [])
    return [b"text"]

sys.addaudithook(refuse)
with Doubles(current_service="acme/app") as doubles:
    doubles.service("acme/a", "rest", {"GET /a": 1, "POST /b": (201, "x")})
    doubles.service("acme/b", "rest", application)
    doubles.notification("e")
    client = architect.service("acme/a").client
    print(client.get("/a").json(), client.post("/b", data=iter([b"x"])).status_code)
    print(architect.service("acme/b").client.get("/").text)
    print(architect.notification("e").publish({})[0].status)
try:
    requests.get("http://127.0.0.1:1")
except AssertionError as problem:
    print(problem)
"""


def test_no_socket_is_opened(tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(NO_SOCKETS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "201", "text", "200", "socket.getaddrinfo"]
    assert done.stderr == ""
