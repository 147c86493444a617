"""Nothing leaves for a host that it was not meant for."""

from __future__ import annotations

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from requests.auth import HTTPDigestAuth

from architect_core.exceptions import ArchitectError, OriginError
from architect_rest import ForeignOriginError, PathParameterError, RestClient
from architect_rest.policy.origin import Origin
from architect_rest.policy.path_params import fill
from architect_rest.policy.scope import Scope
from architect_rest.sync.urls import join, origin_of

BASE = "http://billing:8080"


@pytest.mark.parametrize(
    "url",
    [
        "http://evil",
        "https://evil/x",
        "HTTP://evil",
        "//evil",
        "///evil",
        "\\\\evil",
        "/\\evil",
        "\\/evil",
        "http:evil",
        "http:/evil",
        "http:\\\\evil",
        "  http://evil",
        "\thttp://evil",
        "\x00//evil",
        "ftp://evil/x",
        "file:///etc/passwd",
        "unix://evil",
        "http://billing:8080@evil/",
        "http://billing:8080:80@evil/",
        "http://billing:8080%40evil/",
        "http://evil\\@billing:8080/",
        "http://evil#@billing:8080/",
        "http://evil?@billing:8080/",
        "http://billing:8081/",
        "http://billing/",
        "https://billing:8080/",
        "http://billing.evil:8080/",
        "http://[billing]:8080/",
        "http://:8080/",
        b"//evil",
    ],
)
def test_a_url_of_another_origin_is_refused_before_a_byte_is_sent(url):
    with RestClient(BASE) as client, pytest.raises(ForeignOriginError, match="belongs to http://billing:8080"):
        client.get(url)


@pytest.mark.parametrize("url", ["{own}\\@{other}/x", "{other}\\@{own}/x", "{own}\t@{other}/x", "{own}#@{other}/x"])
def test_a_url_put_into_a_prepared_request_is_refused_if_any_reader_takes_it_elsewhere(client, server, other, url):
    prepared = client.prepare_request(requests.Request("GET", "/"))
    prepared.url = "http://" + url.format(own=f"127.0.0.1:{server.port}", other=f"127.0.0.1:{other.port}")
    try:
        client.send(prepared)
    except ForeignOriginError:
        assert server.asked == []
    assert other.asked == []


def test_the_error_is_an_invalid_url_of_requests_too():
    with RestClient(BASE) as client, pytest.raises(requests.exceptions.InvalidURL):
        client.get("//evil")


def test_the_error_shows_no_credentials():
    with RestClient(BASE) as client, pytest.raises(OriginError) as caught:
        client.get("http://user:s3cret@evil/?token=s3cret")
    assert "s3cret" not in str(caught.value)


def test_an_absolute_url_of_the_same_origin_is_used_as_it_is(client, server):
    assert client.get(f"{server.url}/next?page=2").json()["path"] == "/next?page=2"
    assert client.get(f"HTTP://127.0.0.1:{server.port}/x").json()["path"] == "/x"


def test_a_prepared_request_to_another_origin_is_refused(client, other):
    prepared = requests.Request("GET", f"{other.url}/x").prepare()
    with pytest.raises(ForeignOriginError):
        client.send(prepared)
    assert other.asked == []


@given(st.text())
@example("//evil")
@example("/\t/evil")
@example("\u2028//evil")
def test_any_url_stays_with_the_origin_or_is_refused(url):
    origin = Origin("http", "billing", 8080)
    scope = Scope(origin, frozenset([origin]))
    try:
        joined = join(BASE, url, scope)
        prepared = requests.Request("GET", joined).prepare()
    except (ArchitectError, requests.RequestException):
        return
    assert origin_of(prepared.url) == origin


@given(st.text(min_size=1))
def test_a_path_parameter_is_always_one_segment(value):
    try:
        filled = fill("/a/:b/c", {"b": value}, PathParameterError)
    except ArchitectError:
        assert value in {".", ".."}
        return
    except UnicodeEncodeError:
        assert any(0xD800 <= ord(character) <= 0xDFFF for character in value)
        return
    prepared = requests.Request("GET", BASE + filled).prepare()
    assert requests.utils.urlparse(prepared.url).path.count("/") == 3
    assert requests.utils.unquote(prepared.url.split("/")[4]) == value


SECRETS = ("authorization", "cookie", "x-token", "proxy-authorization")


def dressed(client):
    client.headers["X-Token"] = "s3cret"
    client.cookies.set("session", "s3cret")
    client.auth = ("user", "s3cret")
    return client


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_takes_nothing_of_the_session_along(client, other, status):
    response = dressed(client).get("/", params={"to": f"{other.url}/x", "status": status}, headers={"X-Own": "s3cret"})
    assert response.json()["path"] == "/x"
    assert "s3cret" not in str(other.asked)
    assert not set(other.asked[0]["headers"]) & {*SECRETS, "x-own"}


def test_a_redirect_within_the_service_keeps_all(client, server):
    answer = dressed(client).get("/", params={"to": "/x", "status": 302}).json()
    assert answer["path"] == "/x"
    assert set(answer["headers"]) >= {"authorization", "cookie", "x-token"}


def test_a_redirect_there_and_back_brings_nothing_back(client, server, other):
    back = requests.Request("GET", other.url, params={"to": f"{server.url}/home", "status": 302}).prepare().url
    dressed(client).get("/", params={"to": back, "status": 302})
    assert server.asked[-1]["path"] == "/home"
    assert "x-token" not in server.asked[-1]["headers"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_asks_for_the_body_elsewhere_is_refused(client, other, status):
    with pytest.raises(ForeignOriginError, match="body"):
        client.post("/", params={"to": other.url, "status": status}, json={"card": "4111"})
    assert other.asked == []


@pytest.mark.parametrize("target", ["http://elsewhere.invalid/x", "mailto:someone", "app:/callback?code=1", "ftp://x"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_redirect_that_is_not_followed_is_an_answer_like_any_other(client, method, target):
    payload = None if method == "HEAD" else {"card": "4111"}
    query = {"to": target, "status": 307}
    response = client.request(method, "/", params=query, json=payload, allow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, target)


def test_the_next_request_of_a_redirect_that_asks_for_the_body_is_not_sent(client, other):
    query = {"to": other.url, "status": 307}
    response = client.post("/", params=query, json={"card": "4111"}, allow_redirects=False)
    with pytest.raises(ForeignOriginError, match="body"):
        client.send(response.next)
    assert other.asked == []


def test_a_request_that_was_redirected_elsewhere_keeps_its_own_hooks(client, other):
    client.auth = HTTPDigestAuth("user", "s3cret")
    prepared = client.prepare_request(requests.Request("GET", "/", params={"to": other.url, "status": 302}))
    hooks = list(prepared.hooks["response"])
    client.send(prepared)
    assert prepared.hooks["response"] == hooks != []


def test_a_post_that_is_redirected_elsewhere_becomes_a_get_without_body(client, other):
    dressed(client).post("/", params={"to": other.url, "status": 303}, json={"card": "4111"})
    assert (other.asked[0]["method"], other.asked[0]["body"]) == ("GET", "")


def test_a_digest_challenge_from_elsewhere_is_not_answered(client, other):
    client.auth = HTTPDigestAuth("user", "s3cret")
    target = requests.Request("GET", other.url, params={"status": 401, "challenge": 1}).prepare().url
    assert client.get("/", params={"to": target, "status": 302}).status_code == 401
    assert len(other.asked) == 1


def test_a_redirect_taken_by_hand_is_allowed_and_takes_nothing_along(client, other):
    response = dressed(client).get("/", params={"to": other.url, "status": 302}, allow_redirects=False)
    client.send(response.next)
    assert not set(other.asked[0]["headers"]) & set(SECRETS)


def test_a_netrc_file_is_not_used_for_another_origin(client, other, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client.get("/", params={"to": other.url, "status": 302})
    assert "authorization" not in other.asked[0]["headers"]
