"""What other libraries add to requests works with our client: session classes, and those that answer in tests."""

from __future__ import annotations

import io

import pytest
import requests
import requests_cache
import requests_mock
import responses
from betamax import Betamax
from requests_cache import CachedSession, CacheMixin
from requests_oauthlib import OAuth1, OAuth1Session, OAuth2, OAuth2Session
from requests_toolbelt import MultipartEncoder, MultipartEncoderMonitor, SourceAddressAdapter, StreamingIterator
from requests_toolbelt.auth.guess import GuessAuth
from requests_toolbelt.cookies.forgetful import ForgetfulCookieJar
from requests_toolbelt.downloadutils import stream as download
from requests_toolbelt.utils import dump

from architect_core.exceptions import OriginError
from architect_rest import RestClient, with_mixin


class Recording:
    """A mix-in like those of libraries: it has arguments and state, sees each call, and mounts an adapter."""

    def __init__(self, *args, label="", **kwargs):
        super().__init__(*args, **kwargs)
        self.label = label
        self.seen = []
        self.mount("http://", requests.adapters.HTTPAdapter())

    def request(self, method, url, *args, **kwargs):
        self.seen.append((method, url))
        return super().request(method, url, *args, **kwargs)


@pytest.mark.parametrize("mixin", [CacheMixin, CachedSession])
def test_requests_cache_answers_from_its_cache(client, server, mixin):
    cached = with_mixin(client, mixin, backend="memory", expire_after=60)
    found = [cached.get("/x/:number", path_params={"number": 7}) for _ in range(3)]
    assert [each.from_cache for each in found] == [False, True, True]
    assert [each.json()["path"] for each in found] == ["/x/7"] * 3
    assert cached.send(cached.prepare_request(requests.Request("GET", "/x/7"))).from_cache
    assert not cached.get("/x/8").from_cache
    assert len(server.asked) == 2
    assert not client.get("/x/7").headers.get("from_cache")
    assert len(server.asked) == 3


def test_requests_cache_keeps_no_failed_attempt_and_returns_a_stale_answer_when_the_service_fails(start, resolve):
    service = start("unavailable-first")
    cached = with_mixin(
        resolve(host=f"http://127.0.0.1:{service.port}"), CacheMixin, backend="memory", expire_after=0.01,
        stale_if_error=True, cache_control=False,
    )  # fmt: skip
    assert cached.get("/x").text == "ok"
    assert len(service.asked) == 2
    service.stop()
    found = cached.get("/x")
    assert (found.text, found.from_cache) == ("ok", True)


def test_requests_cache_s_install_cache_changes_no_client(server, tmp_path):
    with requests_cache.enabled(str(tmp_path / "cache"), backend="memory"), RestClient(server.url) as client:
        for _ in range(2):
            assert client.get("/x").ok
    assert len(server.asked) == 2


@pytest.mark.parametrize("scheme", ["OAuth 1", "OAuth 1 as auth", "OAuth 2", "OAuth 2 as auth"])
def test_requests_oauthlib_signs_all_that_goes_to_the_service_and_nothing_else(
    client, server, other, monkeypatch, scheme
):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the test's servers have no TLS
    token = {"access_token": "t0ken", "token_type": "Bearer"}
    signed = {
        "OAuth 1": lambda: with_mixin(client, OAuth1Session, "key", "secret", "owner", "s3cret"),
        "OAuth 1 as auth": lambda: setattr(client, "auth", OAuth1("key", "secret", "owner", "s3cret")) or client,
        "OAuth 2": lambda: with_mixin(client, OAuth2Session, token=token),
        "OAuth 2 as auth": lambda: setattr(client, "auth", OAuth2(token=token)) or client,
    }[scheme]()
    expected = "OAuth oauth_nonce=" if "1" in scheme else "Bearer t0ken"
    assert signed.post("/x", data={"a": "1"}).json()["headers"]["authorization"].startswith(expected)
    assert signed.get("/x?status=503").status_code == 503
    assert signed.get("/x", params={"status": 302, "to": f"{other.url}/y"}).json()["path"] == "/y"
    assert signed.get("/x?status=302&to=/y").json()["headers"]["authorization"].startswith(expected)
    assert len(server.asked) == 7
    assert all(each["headers"]["authorization"].startswith(expected) for each in server.asked)
    assert "authorization" not in other.asked[0]["headers"]
    with pytest.raises(OriginError):
        signed.get(f"{other.url}/x")


def test_a_token_of_oauth_2_is_fetched_from_the_service_and_nowhere_else(start, other, resolve, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    service = start("answers", '{"access_token": "t0ken", "token_type": "Bearer"}')
    session = with_mixin(
        resolve(host=f"http://127.0.0.1:{service.port}/v1"), OAuth2Session, "me", redirect_uri="http://me"
    )
    assert session.fetch_token("/token", code="c0de", client_secret="s3cret")["access_token"] == "t0ken"
    assert session.get("/x").ok
    assert [each.split(" ")[1] for each in service.stop()] == ["/v1/token", "/v1/x"]
    with pytest.raises(OriginError, match="use a client of your own"):
        session.fetch_token(f"{other.url}/token", code="c0de", client_secret="s3cret")
    assert other.asked == []


def test_a_mixed_client_has_the_settings_retries_and_connections_of_its_origin(start, resolve):
    service = start("unavailable-first")
    client = resolve(host=f"http://127.0.0.1:{service.port}/v1", options={"auth": {"headers": {"X-Key": "k3y"}}})
    client.headers["X-One"] = "1"
    client.cookies.set("c", "1")
    mixed = with_mixin(client, Recording, label="l")
    assert isinstance(mixed, Recording)
    assert isinstance(mixed, RestClient)
    assert mixed.get("/x/:a", path_params={"a": "b/c"}).text == "ok"
    assert mixed.label == "l"
    assert mixed.seen == [("GET", f"http://127.0.0.1:{service.port}/v1/x/b%2Fc")]
    for asked in service.asked:
        assert asked.startswith("GET /v1/x/b%2Fc ")
        assert {"X-Key: k3y", "X-One: 1", "Cookie: c=1"} <= set(asked.split("|"))
    assert len(service.asked) == 2
    assert mixed.get_adapter(mixed.base_url) is client.get_adapter(client.base_url)


def test_a_mixed_client_and_its_origin_are_changed_separately(client):
    mixed = with_mixin(client, Recording)
    mixed.headers["X-One"] = "1"
    mixed.cookies.set("c", "1")
    mixed.hooks["response"].append(print)
    mixed.params["p"] = "1"
    mixed.proxies["http"] = "http://proxy"
    mixed.auth = ("a", "b")
    mixed.base_url += "/v1"
    mixed.mount("http://x", requests.adapters.HTTPAdapter())
    found = client.get("/x").json()
    assert found["path"] == "/x"
    assert {"x-one", "cookie", "authorization"}.isdisjoint(found["headers"])


def test_mix_ins_are_combined_one_after_the_other(client, server):
    both = with_mixin(with_mixin(client, CacheMixin, backend="memory"), Recording, label="l")
    assert [both.get("/x").from_cache for _ in range(2)] == [False, True]
    assert (both.label, len(both.seen), len(server.asked)) == ("l", 2, 1)


def test_a_mix_in_gets_no_url_of_another_origin(client, other):
    mixed = with_mixin(client, Recording)
    with pytest.raises(OriginError):
        mixed.get(f"{other.url}/x")
    assert mixed.seen == []


@pytest.mark.parametrize("mixin", [OAuth1Session, OAuth2Session, CachedSession])
def test_no_attribute_of_the_client_has_the_name_of_one_of_a_library(client, mixin):
    library = mixin("id") if mixin is not CachedSession else mixin(backend="memory")
    of_requests = {*vars(requests.Session()), *dir(requests.Session)}
    names = {*vars(library), *dir(library)} - of_requests
    assert {*vars(client), *dir(client)} & names == set()


@pytest.mark.parametrize("wrong", [None, "CacheMixin", CachedSession.request])
def test_what_is_no_class_is_no_mix_in(client, wrong):
    with pytest.raises(TypeError, match="is no class"):
        with_mixin(client, wrong)


def test_an_argument_that_no_class_takes_is_an_error(client):
    with pytest.raises(TypeError, match="colour"):
        with_mixin(client, Recording, colour="red")


def test_requests_toolbelt_streams_uploads(client):
    form = MultipartEncoder({"field": "value", "file": ("name.txt", io.BytesIO(b"content"), "text/plain")})
    seen = []
    monitor = MultipartEncoderMonitor(form, lambda each: seen.append(each.bytes_read))
    answer = client.post("/x", data=monitor, headers={"Content-Type": monitor.content_type}).json()
    assert answer["headers"]["content-length"] == str(form.len) == str(seen[-1])
    assert "content" in answer["body"]
    assert client.post("/x", data=StreamingIterator(3, iter([b"a", b"bc"]))).json()["body"] == "abc"


def test_requests_toolbelt_reads_downloads_dumps_and_forgets_cookies(client, tmp_path):
    name = download.stream_response_to_file(client.get("/x", stream=True), path=str(tmp_path / "file"))
    assert '"path": "/x"' in (tmp_path / "file").read_text()
    assert name == str(tmp_path / "file")
    text = dump.dump_all(client.get("/x?status=302&to=/y")).decode()
    assert "< GET /x?status=302" in text
    assert "> HTTP/1.1 200 OK" in text
    client.cookies = ForgetfulCookieJar()
    client.get("/x?cookie=c=1")
    assert "cookie" not in client.get("/x").json()["headers"]


def test_requests_toolbelt_guesses_the_authentication(client, server):
    client.auth = GuessAuth("user", "password")
    assert client.get("/x?status=401&challenge=1").status_code == 401
    assert server.asked[-1]["headers"]["authorization"].startswith("Digest ")


def test_requests_toolbelt_s_adapters_are_mounted(client):
    client.mount("http://", SourceAddressAdapter("127.0.0.2"))
    assert client.get("/x").json()["path"] == "/x"


@pytest.fixture(params=["the client", "a mixed one"])
def either(request, client):
    """The client, or one that is also a class of another library."""
    return client if request.param == "the client" else with_mixin(client, Recording)


def test_responses_answers_in_place_of_the_service(either, server):
    with responses.RequestsMock() as mock:
        mock.post(f"{server.url}/x/7", json={"paid": True}, match=[responses.matchers.json_params_matcher({"a": 1})])
        mock.get(f"{server.url}/x", status=503)
        mock.get(f"{server.url}/x", body="ok")  # the attempt that follows
        mock.get(f"{server.url}/y", body=requests.exceptions.ReadTimeout())
        mock.get(f"{server.url}/y", body="ok")
        assert either.post("/x/:n", json={"a": 1}, path_params={"n": 7}).json() == {"paid": True}
        assert [either.get("/x").text, either.get("/y").text] == ["ok", "ok"]
        with pytest.raises(requests.ConnectionError, match="Connection refused by Responses"):
            either.post("/another")
    assert server.asked == []


def test_requests_mock_answers_in_place_of_the_service(either, server):
    with requests_mock.Mocker() as mock:
        mock.get(f"{server.url}/x/7", json={"paid": True})
        mock.get(f"{server.url}/stream", content=b"abc")
        assert either.get("/x/:n", path_params={"n": 7}).json() == {"paid": True}
        assert list(either.get("/stream", stream=True).iter_content(2)) == [b"ab", b"c"]
        with pytest.raises(requests_mock.NoMockAddress):
            either.get("/another")
        assert [each.path for each in mock.request_history] == ["/x/7", "/stream", "/another"]
    assert server.asked == []


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # betamax, on Python 3.12
def test_betamax_records_a_call_and_plays_it_back(either, server, tmp_path):
    found = []
    for _ in range(2):
        with Betamax(either, cassette_library_dir=str(tmp_path)).use_cassette("billing"):
            found.append(either.get("/x", params={"a": "1"}).json())
    assert found[0] == found[1]
    assert len(server.asked) == 1
    assert either.get("/x").ok
    assert len(server.asked) == 2
