"""What is sent is what requests sends, also after something has changed that a client remembers."""

from __future__ import annotations

import os
from inspect import signature

import pytest
import requests
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.cookies import RequestsCookieJar

from architect_core.resolver import Resolver
from architect_rest import RestClient
from architect_rest.policy.limits import REMAINING_HEADER

CALLS = {
    "nothing": {},
    "params": {"params": {"a": ["1", "ü &"], "b": None}},
    "a header": {"headers": {"X-A": "1"}},
    "a header of the session's removed": {"headers": {"Accept": None}},
    "an authorization header": {"headers": {"Authorization": "mine"}},
    "cookies": {"cookies": {"a": "1"}},
    "form": {"data": {"a": "1", "b": ["2", "3"]}},
    "text": {"data": "ü"},
    "bytes": {"data": b"\xff"},
    "empty data": {"data": b""},
    "json": {"json": {"a": [1, None, "ü"]}},
    "json that is false": {"json": 0},
    "an empty object": {"json": {}},
    "json beside data": {"json": {}, "data": {"a": "1"}},
    "files": {"files": {"f": ("name.txt", b"content")}},
    "a generator": {"data": "generator"},
    "basic auth": {"auth": ("a", "b")},
    "an auth function": {"auth": lambda request: request.headers.update({"X-Signed": request.url}) or request},
}
SESSIONS = {
    "a new session": lambda _: None,
    "headers": lambda session: session.headers.update({"X-S": "1", "Accept": None}),
    "params": lambda session: session.params.update({"s": "1"}),
    "cookies": lambda session: session.cookies.set("s", "1"),
    "auth": lambda session: setattr(session, "auth", ("s", "p")),
    "no environment": lambda session: setattr(session, "trust_env", False),
}


def sent(session, server, method, path, **call):
    """What a server is sent."""
    if call.get("data") == "generator":
        call["data"] = iter([b"a", b"b"])
    if not isinstance(session, RestClient):
        path = server.url + path
    del server.asked[:]
    session.request(method, path, **call)
    return [
        {key: value for key, value in each["headers"].items() if key != REMAINING_HEADER} | each | {"headers": 0}
        for each in server.asked
    ]


def pair(server):
    ours, theirs = RestClient(server.url), requests.Session()
    return ours, theirs


def same(ours, theirs, server, method="GET", path="/x", **call):
    found, wanted = sent(ours, server, method, path, **call), sent(theirs, server, method, path, **call)
    for each in (*found, *wanted):
        del each["connection"]
    assert found == wanted
    return found[0]


@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_sent_as_requests_sends_it(server, call, session, monkeypatch):
    monkeypatch.setattr("urllib3.filepost.choose_boundary", lambda: "b")  # else random
    ours, theirs = pair(server)
    for each in (ours, theirs):
        SESSIONS[session](each)
    with ours, theirs:
        for method in ("GET", "post", "HEAD", "DELETE"):
            if call in {"files", "a generator"} and method != "post":  # the server reads no chunks
                continue
            same(ours, theirs, server, method, **CALLS[call])


def test_request_takes_the_parameters_of_requests_in_their_order():
    theirs = list(signature(requests.Session.request).parameters)
    assert list(signature(RestClient.request).parameters) == [*theirs, "path_params"]


segment = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [".", "..", "%2e", "%2F", "a.b", ".a", "a..b", "~", "%", "+"]
)
paths = st.builds(
    lambda segments, query: "/" + "/".join(segments) + query,
    st.lists(segment, min_size=1, max_size=4),
    st.sampled_from(["", "?", "?a=1", "?a=b c", "?a=/../b", "?a?b", "#f", "?a=1#f", "?a=%zz", "?ü"]),
)


@settings(deadline=None)
@given(path=paths)
def test_a_url_is_prepared_as_requests_prepares_it(path):
    with RestClient("http://billing:8080/v1") as ours, requests.Session() as theirs:
        try:
            wanted = theirs.prepare_request(requests.Request("GET", "http://billing:8080/v1" + path)).url
        except requests.exceptions.InvalidURL:
            with pytest.raises(requests.exceptions.InvalidURL):
                ours.prepare_request(requests.Request("GET", path))
            return
        try:
            found = ours.prepare_request(requests.Request("GET", path)).url
        except requests.exceptions.InvalidURL as problem:
            assert "leads to" in str(problem)  # noqa: PT017 - a host for some reader of URLs
        else:
            assert found == wanted


def test_what_changes_in_the_session_is_sent_with_the_next_call(server):
    ours, theirs = pair(server)
    changes = [
        lambda session: session.headers.__setitem__("X-A", "1"),
        lambda session: session.headers.__setitem__("X-A", "2"),
        lambda session: session.headers.__delitem__("X-A"),
        lambda session: setattr(session, "headers", {"x-a": "3", "Accept": None}),
        lambda session: session.cookies.set("c", "1"),
        lambda session: session.cookies.clear(),
        lambda session: setattr(session, "cookies", RequestsCookieJar()),
        lambda session: setattr(session, "auth", ("a", "b")),
        lambda session: setattr(session, "auth", None),
        lambda session: session.params.__setitem__("p", "1"),
        lambda session: setattr(session, "params", {}),
        lambda session: session.hooks["response"].append(lambda *_, **__: None),
    ]
    with ours, theirs:
        same(ours, theirs, server)
        for change in changes:
            change(ours), change(theirs)
            same(ours, theirs, server)


@pytest.mark.parametrize("value", [1, "a\r\nX-Evil: 1", " a"])
def test_a_wrong_header_of_the_session_is_refused_as_by_requests(server, value):
    ours, theirs = pair(server)
    with ours, theirs:
        for session, url in (ours, "/x"), (theirs, f"{server.url}/x"):
            assert session.get(url).ok
            session.headers["X-A"] = value
            for _ in range(2):
                with pytest.raises(requests.exceptions.InvalidHeader):
                    session.get(url)


def test_what_a_call_does_to_its_headers_stays_in_the_call(server):
    def sign(request):
        request.headers["X-Signed"] = "1"
        return request

    with RestClient(server.url) as client:
        client.get("/x", auth=sign)
        client.get("/x")
    assert ["x-signed" in each["headers"] for each in server.asked] == [True, False]


def test_a_base_url_that_is_assigned_counts_for_the_next_call(server):
    with RestClient(server.url) as client:
        client.get("/x")
        client.base_url = f"{server.url}/v2"
        assert client.get("/x").json()["path"] == "/v2/x"


def test_a_netrc_file_is_used_from_its_creation_to_its_removal(server, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    ours, theirs = pair(server)
    with ours, theirs:
        assert "authorization" not in same(ours, theirs, server)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
        assert "authorization" in same(ours, theirs, server)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password b")
        same(ours, theirs, server)
        (tmp_path / ".netrc").unlink()
        assert "authorization" not in same(ours, theirs, server)
        (tmp_path / "elsewhere").write_text("machine 127.0.0.1 login a password b")
        monkeypatch.setenv("NETRC", str(tmp_path / "elsewhere"))
        assert "authorization" in same(ours, theirs, server)


def test_a_proxy_counts_as_soon_as_a_variable_names_it_and_no_longer_than_it_does(server, other, monkeypatch):
    with RestClient(f"http://billing.test:{server.port}", timeout=2, retries=0) as client:
        for name in ("http_proxy", "HTTP_PROXY", "Http_Proxy", "ALL_PROXY"):
            with monkeypatch.context() as patch, pytest.MonkeyPatch.context() as _:
                patch.setenv(name, other.url)
                assert client.get("/x").status_code == 200
                assert other.asked.pop()["path"] == f"http://billing.test:{server.port}/x"
                patch.setenv("no_proxy", "billing.test")
                with pytest.raises(requests.ConnectionError):
                    client.get("/x")
            with pytest.raises(requests.ConnectionError):
                client.get("/x")
        client.proxies["http"] = other.url
        assert client.get("/x").status_code == 200


def test_a_changed_authority_counts_for_the_next_call(monkeypatch):
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with RestClient("https://127.0.0.1:1") as client:
        settings = [client.merge_environment_settings("https://127.0.0.1:1/", {}, None, None, None)["verify"]]
        for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, f"/{name}")
            settings.append(client.merge_environment_settings("https://127.0.0.1:1/", {}, None, None, None)["verify"])
        os.environ.pop("REQUESTS_CA_BUNDLE")
        settings.append(client.merge_environment_settings("https://127.0.0.1:1/", {}, None, None, None)["verify"])
        assert settings == [True, "/CURL_CA_BUNDLE", "/REQUESTS_CA_BUNDLE", "/CURL_CA_BUNDLE"]
        assert client.merge_environment_settings("https://127.0.0.1:1/", {}, None, False, None)["verify"] is False


def test_a_client_is_made_anew_when_a_certificate_that_its_entry_names_is_another(tmp_path):
    ca = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(ca)
    entry = {"host": "https://127.0.0.1", "port": 1, "api": "rest", "options": {"tls": {"ca": str(ca)}}}
    resolver = Resolver({"acme/billing": entry})
    client = resolver.service("acme/billing").client
    assert not resolver.reload()
    trustme.CA().cert_pem.write_to_path(ca)
    assert resolver.reload().services == {"acme/billing"}
    assert resolver.service("acme/billing").client is not client
    resolver.close()
