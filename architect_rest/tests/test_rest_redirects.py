"""What a redirect takes along depends on where it leads, and on no transport, adapter or client."""

from __future__ import annotations

import asyncio
import io
from urllib.parse import urlencode

import httpx2
import pytest
import requests
import trustme
import urllib3
from both import Call, Scripted, each_client, each_transport, outcomes

from architect_core.resolver import Resolver
from architect_rest import RestClient

IDENTITY = {"auth": {"bearer": "t0ken", "headers": {"X-Api-Key": "k3y"}}}
SECRETS = ("t0ken", "k3y", "c00kie", "x-own", "b0dy", "authorization", "cookie")


@pytest.fixture(scope="module")
def servers():
    """Two instances of the service, and a stranger."""
    started = [Scripted() for _ in range(3)]
    yield started
    for each in started:
        each.stop()


@pytest.fixture(autouse=True)
def anew(servers):
    for each in servers:
        each.heads()


def path(to: str, **query: object) -> str:
    return f"/x?{urlencode({**query, 'to': to})}"


def names_secrets(heads: list[str]) -> list[str]:
    return [word for word in SECRETS if word in "".join(heads).lower()]


@each_client
@each_transport
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_takes_nothing_of_the_session_along(servers, kind, elsewise, status):
    own, _, stranger = servers
    call = Call(path(f"{stranger.at()}/y", status=status), headers={"X-Own": "x-own"})
    entry = {"port": own.port, "options": IDENTITY}
    (answer,) = outcomes(kind, entry, call, cookie="c00kie", elsewise=elsewise)
    assert answer.startswith("GET /y ")
    assert {"t0ken", "k3y", "c00kie"} <= set(names_secrets(own.heads()))
    heads = stranger.heads()
    assert names_secrets(heads) == []
    assert "x-envoy" not in heads[0].lower()  # how long the caller waits


@each_client
@each_transport
@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_takes_no_body_to_another_origin(servers, kind, elsewise, status):
    own, _, stranger = servers
    call = Call(path(stranger.at(), status=status), "POST", body=b"b0dy")
    by_hand = Call(call.url, "POST", body=b"b0dy", follows=False, takes=1)
    found = outcomes(kind, {"port": own.port}, call, by_hand, elsewise=elsewise)
    assert found == ["ForeignOriginError", "ForeignOriginError"]
    assert stranger.heads() == []


@each_client
@each_transport
def test_a_redirect_that_the_caller_follows_by_hand_takes_nothing_along_there_and_back(servers, kind, elsewise):
    own, _, stranger = servers
    back = stranger.at() + path(f"{own.at()}/home")
    call = Call(path(back), follows=False, takes=2)
    (answer,) = outcomes(kind, {"port": own.port, "options": IDENTITY}, call, cookie="c00kie", elsewise=elsewise)
    assert answer.startswith("GET /home ")
    assert names_secrets([answer, *stranger.heads()]) == []


@each_client
@each_transport
def test_a_redirect_back_from_another_origin_takes_nothing_along(servers, kind, elsewise):
    own, _, stranger = servers
    back = stranger.at() + path(f"{own.at()}/home")
    further = stranger.at() + path(f"{own.at()}{path('/home')}")
    calls = [Call(path(each), headers={"Range": "bytes=0-1"}) for each in (back, further)]
    found = outcomes(
        kind, {"port": own.port, "options": IDENTITY}, *calls, Call("/y"), cookie="c00kie", elsewise=elsewise
    )
    for answer in found[:2]:
        assert answer.startswith("GET /home ")
        assert names_secrets([answer]) == []
        assert "range: bytes=0-1" in answer.lower()
    assert {"t0ken", "k3y", "c00kie"} <= set(names_secrets(found[2:]))  # the next call is the caller's own


@each_client
@pytest.mark.parametrize(
    ("header", "is_kept"),
    [
        ("Range", True),
        ("If-Range", True),
        ("If-Match", True),
        ("If-None-Match", True),
        ("If-Unmodified-Since", True),
        ("Accept", True),
        ("Accept-Language", True),
        ("Cache-Control", True),
        ("Prefer", True),
        ("User-Agent", True),
        ("X-Api-Key", False),
        ("X-Amz-Security-Token", False),
        ("Api-Key", False),
        ("From", False),
        ("Referer", False),
        ("Forwarded", False),
        ("Origin", False),
    ],
)
def test_a_redirect_to_another_origin_keeps_headers_that_say_which_answer_is_wanted(servers, kind, header, is_kept):
    own, _, stranger = servers
    (answer,) = outcomes(kind, {"port": own.port}, Call(path(f"{stranger.at()}/y"), headers={header: "bytes=0-99"}))
    assert (f"{header}: bytes=0-99".lower() in answer.lower()) == is_kept


@each_client
@pytest.mark.parametrize("auth", [{"bearer": "t0ken"}, {"username": "app", "password": "t0ken"}, {}])
def test_a_netrc_file_replaces_no_credentials_after_a_redirect_of_the_service(
    servers, kind, auth, tmp_path, monkeypatch
):
    own, _, _ = servers
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password of-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    headers = {} if auth else {"Authorization": "Bearer of-the-call"}
    calls = [Call(each, headers=headers) for each in ("/y", path("/y"), path(f"{own.at()}{path('/y')}"))]
    found = outcomes(kind, {"port": own.port, "options": {"auth": auth}}, *calls)
    sent = [line for each in found for line in each.split("\r\n") if line.startswith("Authorization: ")]
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert "b3RoZXI6" not in sent[0]  # "other:" in base 64


@each_client
@each_transport
def test_a_netrc_file_is_read_for_no_host_that_a_redirect_leads_to_or_back_from(
    servers, kind, elsewise, tmp_path, monkeypatch
):
    own, _, stranger = servers
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password of-netrc\nmachine localhost login other password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    back = stranger.at("localhost") + path(f"{own.at()}/home")
    (answer,) = outcomes(kind, {"port": own.port}, Call(path(back)), elsewise=elsewise)
    assert names_secrets([answer, *stranger.heads()]) == []


@each_client
def test_a_redirect_is_no_larger_than_the_largest_answer(servers, kind):
    own, _, stranger = servers
    entry = {"port": own.port, "options": {"max_answer_bytes": 1_000_000}}
    endless = path("/y", body="endless")
    calls = [
        Call(endless),
        Call(endless, follows=False),
        Call(endless, streams=True),
        Call(path(stranger.at() + endless)),
    ]
    assert outcomes(kind, entry, *calls) == ["AnswerTooLargeError"] * 4
    assert not [each for each in (*own.heads(), *stranger.heads()) if each.startswith("GET /y ")]


def test_a_redirect_that_has_no_end_and_cannot_be_decoded_is_followed(servers):
    own, _, _ = servers
    calls = [Call(path("/y", body="broken")), Call(path("/y", body="broken"), follows=False)]
    first, second = outcomes("sync", {"port": own.port, "options": {"max_answer_bytes": 1_000_000}}, *calls)
    assert first.startswith("GET /y ")
    assert second == ""


@each_client
@each_transport
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_url_that_an_instance_builds_from_its_host_is_the_service_s(servers, kind, elsewise, host):
    own, peer, _ = servers
    entry = {"instances": [own.at() + "/v1", peer.at(host) + "/v1"], "options": IDENTITY}
    entry = {"instances": [{"host": f"{each}"} for each in entry["instances"]], "options": IDENTITY}
    calls = [
        *[Call(f"{each}/v1/y") for each in (own.at(), peer.at(host))],
        *[Call(path(f"{each}/v1/y")) for each in (own.at(), peer.at(host), f"//{host}:{peer.port}", "http://{host}")],
        Call(path(f"{peer.at(host)}/v1/y"), follows=False, takes=1),
    ]
    found = outcomes(kind, entry, *calls, cookie="c00kie", elsewise=elsewise)
    for answer in found:
        assert answer.startswith("GET /v1/y ")
        assert {"t0ken", "k3y", "c00kie"} <= set(names_secrets([answer]))


@each_client
@each_transport
def test_a_cookie_that_one_instance_sets_reaches_the_others(servers, kind, elsewise):
    own, peer, _ = servers
    at_peer = peer.at("localhost")
    set_by = {
        "a call": Call("/login?cookie=id%3D1"),
        "a URL of an instance": Call(f"{at_peer}/login?cookie=id%3D1"),
        "a redirect to an instance": Call(path(f"{at_peer}/login?cookie=id%3D1")),
        "a redirect": Call(path(f"{at_peer}/y", cookie="id=1")),
    }
    for what, call in set_by.items():
        calls = [Call("/x"), Call(f"{at_peer}/x"), Call(f"{own.at()}/x"), Call(path(f"{at_peer}/y")), Call(path("/y"))]
        entry = {"instances": [{"host": own.at()}, {"host": at_peer}]}
        for answer in outcomes(kind, entry, call, *calls * 2, elsewise=elsewise)[1:]:
            assert "cookie: id=1\r\n" in f"{answer}\r\n".lower(), what
    assert elsewise or peer.heads()


@each_client
def test_a_body_is_sent_along_to_another_instance(servers, kind):
    own, peer, _ = servers
    entry = {"instances": [{"host": own.at()}, {"host": peer.at("localhost")}]}
    call = Call(path(f"{peer.at('localhost')}/y", status=307), "POST", body=b"b0dy")
    (answer,) = outcomes(kind, entry, call)
    assert answer.startswith("POST /y ")
    assert "content-length: 4" in answer.lower()


@each_client
def test_a_redirect_to_another_origin_trusts_the_usual_authorities_and_not_the_service_s(kind, tmp_path, monkeypatch):
    authorities, servers = [trustme.CA(), trustme.CA()], []
    for number, authority in enumerate(authorities):
        authority.cert_pem.write_to_path(str(tmp_path / f"{number}.crt"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{number}.pem"))
        servers.append(Scripted(str(tmp_path / f"{number}.pem")))
    own, stranger = [f"https://127.0.0.1:{each.port}" for each in servers]
    entry = {"host": own, "options": {"tls": {"ca": str(tmp_path / "0.crt")}, "retries": 0}}
    there = Call(path(f"{stranger}/y"))
    try:
        assert outcomes(kind, entry, there)[0].endswith("Error")
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "1.crt"))
        found = outcomes(kind, entry, there, Call(path(f"{stranger}{path(f'{own}/home')}")))
        assert [answer.split(" ")[1] for answer in found] == ["/y", "/home"]
    finally:
        for each in servers:
            each.stop()


def test_a_client_certificate_is_shown_to_no_other_origin_by_whatever_adapter():
    shown = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request, *args, cert=None, **named):
            shown.append((request.url, cert))
            response = self.build_response(request, urllib3.HTTPResponse(io.BytesIO(b""), status=200))
            if "billing" in request.url:
                response.status_code, response.headers["Location"] = 302, "https://stranger/y"
            return response

    with RestClient("https://billing") as client:
        client.mount("https://", Adapter())
        client.cert = "certificate.pem"
        client.get("/x")
    assert shown == [("https://billing/x", "certificate.pem"), ("https://stranger/y", None)]


def test_a_request_to_an_instance_that_was_prepared_elsewhere_is_one_to_the_service(servers):
    own, peer, _ = servers
    at_peer = peer.at("localhost")
    instances = [{"host": own.at()}, {"host": at_peer}]
    service = Resolver({"acme/billing": {"api": "rest", "instances": instances}}).service("acme/billing")
    url = f"{at_peer}/login?cookie=id%3D1"
    with service.client as client:
        prepared = requests.Request("GET", url).prepare()
        client.send(prepared)
        assert prepared.url == url
        assert "Cookie: id=1" in client.get("/x").text

    async def call():
        client = service.aio.client
        for _ in range(6):  # whichever instance answers
            answer = (await client.send(httpx2.Request("GET", url))).text
            assert f"Host: 127.0.0.1:{own.port}" in answer or f"Host: localhost:{peer.port}" in answer
        assert "cookie: id=1" in (await client.get("/x")).text.lower()

    asyncio.run(call())
