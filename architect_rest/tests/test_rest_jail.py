"""A call's URL stays below the base URL, as every server reads it, unless the service says otherwise."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import httpx2
import pytest
import requests
from both import Call, Scripted, each_client, each_transport, outcomes
from hypothesis import example, given
from hypothesis import strategies as st

from architect_core.exceptions import ConfigError
from architect_core.resolver import Resolver
from architect_rest import ForeignOriginError, RestClient
from architect_rest.policy.scope import is_below

LEAVING = [
    "/x/../../admin",
    "/../admin",
    "../admin",
    "/x/%2e%2e/%2e%2e/admin",
    "/x/%2E./.%2e/admin",
    "/%2e%2e/admin",
    "/..;/admin",
    "/x/..;a=1/..;/admin",
    "/..%3b/admin",
    "/..%2fadmin",
    "/x%2f..%2F..%2fadmin",
    "/x/y%2f../%2e%2e/%2e%2e/%2e%2e/admin",
    "/..\\admin",
    "\\..\\..\\admin",
    "/x\\..\\../admin",
    "/..%5cadmin",
    "/%252e%252e/admin",
    "/x%2fy%5cz/%2e%2e/%2e%2e/admin",  # to a server that decodes neither, x%2fy%5cz is one segment
    "/x%5cy%2f..%2f../admin",  # to one that decodes slashes alone, x%5cy is
    "/x%2fy%5c..%5c../admin",  # to one that decodes backslashes alone, x%2fy is
    "/x%2f..%5c..%2f../admin",  # only to one that decodes both it leads out
    "/%252e%252e%252fadmin",
    "/%25%32%65%25%32%65/admin",
    "/%%32%65%%32%65/admin",
    "/.%2%65/admin",
    "/x/..%25%32%66..%252%66admin",
    "/x/..%%35c..%2525%35%63admin",
    "/..%25%33%42/admin",
    "/x//%2e%2e/%2e%2e/admin",
    "/x/.//%2e%2e/%2e%2e/admin",
    "/..",
    "/..?a=1",
    "/..#a",
]
STAYING = {
    "/": "/v1/",
    "/?a=/../..": "/v1/?a=/../..",
    "/x?a=/../../admin": "/v1/x?a=/../../admin",
    "/x/../y": "/v1/y",
    "/x/y/../../z": "/v1/z",
    "/x//../../y": "/v1/y",
    "/./x": "/v1/x",
    "/.../x": "/v1/.../x",
    "/..x/x..": "/v1/..x/x..",
    "/a..b": "/v1/a..b",
    "/x;a=../y": "/v1/x;a=../y",
    "/admin": "/v1/admin",
    "/v1": "/v1/v1",
    "/a%2fb": "/v1/a%2fb",
    "/a/b%2f..%2fc": "/v1/a/b%2f..%2fc",
    "/100%25": "/v1/100%25",
    "/%252541": "/v1/%252541",
}


@pytest.fixture(scope="module")
def server():
    started = Scripted()
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def anew(server):
    server.heads()


def entry(server, **options):
    return {"host": f"{server.at()}/v1", "options": options}


@each_client
@each_transport
def test_a_url_that_some_server_reads_as_one_outside_of_the_base_path_is_refused(server, kind, elsewise):
    calls = [Call(url) for url in LEAVING]
    found = outcomes(kind, entry(server), *calls, elsewise=elsewise)
    assert dict(zip(LEAVING, found, strict=True)) == dict.fromkeys(LEAVING, "ForeignOriginError")
    assert server.heads() == []


@each_client
def test_a_url_that_no_server_reads_as_one_outside_of_the_base_path_is_sent(server, kind):
    found = outcomes(kind, entry(server), *map(Call, STAYING))
    sent = [answer.split(" ")[1].lower() for answer in found]
    assert dict(zip(STAYING, sent, strict=True)) == STAYING


@each_client
def test_an_absolute_url_of_the_service_has_to_be_below_its_base_path(server, kind):
    below = ["/v1", "/v1/", "/v1/x", "/v1?a=1", "/x/../v1/y"]
    outside = ["", "/", "/admin", "/v11", "/v1/../admin", "/v1/%2e%2e/admin", "/v1%2f..%2fadmin", "/V1/x"]
    found = outcomes(kind, entry(server), *[Call(server.at() + each) for each in below + outside])
    assert all(answer.startswith("GET /v1") for answer in found[: len(below)])
    assert found[len(below) :] == ["ForeignOriginError"] * len(outside)


@each_client
def test_with_the_jail_origin_every_path_of_the_host_may_be_asked(server, kind):
    urls = ["/x/../../admin", f"{server.at()}/admin", "/%2e%2e/admin", "/..;/admin"]
    found = outcomes(kind, entry(server, jail="origin"), *map(Call, urls), Call("//evil/x"), Call("http://evil/x"))
    assert [answer.split(" ")[0] for answer in found] == ["GET"] * 4 + ["ForeignOriginError"] * 2
    assert [answer.split(" ")[1] for answer in found[:2]] == ["/admin", "/admin"]


@each_client
def test_without_a_base_path_there_is_none_to_leave(server, kind):
    urls = ["/x/../../admin", "/..%2fx", "/..;/x"]
    found = outcomes(kind, {"host": server.at()}, *map(Call, urls))
    assert [answer.split(" ")[0] for answer in found] == ["GET"] * 3


@each_client
@each_transport
def test_a_redirect_of_the_service_may_lead_to_any_of_its_paths_with_all_of_the_session(server, kind, elsewise):
    targets = ["/login", f"{server.at()}/v2/x", "../../admin"]
    follows = [Call(f"/x?to={each}") for each in targets]
    by_hand = [Call(f"/x?to={each}", follows=False, takes=1) for each in targets]
    upload = Call("/x?status=307&to=/v2/x", "POST", body=b"b0dy")
    options = {"auth": {"bearer": "t0ken"}}
    found = outcomes(kind, entry(server, **options), *follows, *by_hand, upload, cookie="c00kie", elsewise=elsewise)
    assert [answer.split(" ")[1] for answer in found] == [*["/login", "/v2/x", "/admin"] * 2, "/v2/x"]
    assert all("t0ken" in answer and "c00kie" in answer for answer in found)


def test_a_path_parameter_does_not_lead_out_of_the_base_path(server):
    service = Resolver({"acme/billing": {"api": "rest", **entry(server)}}).service("acme/billing")
    with service.client as client, pytest.raises(ForeignOriginError, match="base path /v1 of"):
        client.get("/files/:name", path_params={"name": "../../admin"})
    with service.client as client:
        assert client.get("/files/:name", path_params={"name": "a/../b"}).text.startswith("GET /v1/files/a%2F..%2Fb ")


def test_a_request_that_was_prepared_elsewhere_or_changed_later_has_to_be_below_the_base_path(server):
    with RestClient(f"{server.at()}/v1") as client:
        prepared = [
            requests.Request("GET", f"{server.at()}/admin").prepare(),
            client.prepare_request(requests.Request("GET", "/x")),
        ]
        prepared[1].url = f"{server.at()}/v1/../admin"
        for each in prepared:
            with pytest.raises(ForeignOriginError):
                client.send(each)


def test_a_request_that_is_sent_again_after_a_change_is_looked_at_again(server):
    import asyncio

    async def call():
        service = Resolver({"acme/billing": {"api": "rest", **entry(server)}}).service("acme/billing")
        client = service.aio.client
        request = client.build_request("GET", "/x?to=/login")
        response = await client.send(request)
        for url in (f"{server.at()}/admin", "http://evil.invalid/x"):
            request.url = httpx2.URL(url)
            with pytest.raises(httpx2.InvalidURL, match=r"leads to|leaves the base path"):
                await client.send(request)
        assert (await client.send(response.next_request)).text.startswith("GET /login ")

    asyncio.run(call())


@each_client
def test_another_base_path_may_be_assigned_and_no_other_host(server, kind):
    import asyncio

    service = Resolver({"acme/billing": {"api": "rest", **entry(server)}}).service("acme/billing")

    async def call():
        client = service.aio.client
        client.base_url = f"{server.at()}/v2"
        assert (await client.get("/x")).text.startswith("GET /v2/x ")
        with pytest.raises(httpx2.InvalidURL, match="base path /v2 of"):
            await client.get(f"{server.at()}/v1/x")
        with pytest.raises(httpx2.InvalidURL, match="base_url leads to http://evil:80"):
            client.base_url = "http://evil/v2"

    if kind == "aio":
        asyncio.run(call())
        return
    with service.client as client:
        client.base_url = f"{server.at()}/v2"
        assert client.get("/x").text.startswith("GET /v2/x ")
        with pytest.raises(ForeignOriginError, match="base path /v2 of"):
            client.get(f"{server.at()}/v1/x")
        with pytest.raises(ForeignOriginError, match="base_url leads to http://evil:80"):
            client.base_url = "http://evil/v2"


def test_an_unknown_jail_is_an_error_with_its_path():
    entry = {"api": "rest", "host": "http://billing/v1", "options": {"jail": "host"}}
    with pytest.raises(ConfigError, match=r"options\.jail"):
        _ = Resolver({"acme/billing": entry}).service("acme/billing").client


segments = st.sampled_from(
    ["..", ".", "a", "", "%2e%2e", ".%2E", "..;x", "%2f", "%5c", "..%2f", "\\", "a%2fb", "%252e%252e", "a;x"]
)


def read(path, *, slash, backslash, merges, parameters, decodes):
    """The path that a server asks its files for."""
    for _ in range(decodes):
        path = unquote(path) if slash else path.replace("%2e", ".").replace("%2E", ".").replace("%25", "%")
    path = path.replace("\\", "/") if backslash else path
    found = []
    for segment in path.split("/")[1:]:
        name = segment.partition(";")[0] if parameters else segment
        if name == "..":
            del found[-1:]
        elif name != "." and (name or not merges):
            found.append(name)
    return found


@given(st.lists(segments, min_size=1, max_size=6).map("/".join), *[st.booleans()] * 4, st.integers(0, 2))
@example("a//../..", False, False, True, False, 0)
def test_no_server_reads_a_path_that_is_below_as_one_outside(path, slash, backslash, merges, parameters, decodes):
    if is_below("/v1", f"/v1/{path}"):
        how = {"slash": slash, "backslash": backslash, "merges": merges, "parameters": parameters, "decodes": decodes}
        assert read(f"/v1/{path}", **how)[:1] == ["v1"]


@given(st.text(max_size=20))
@example("x/%2e%2e/../admin")
def test_whatever_requests_makes_of_a_url_is_below_the_base_path_or_refused(url):
    sent = []

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request, *_, **__):
            sent.append(request.url)
            raise requests.ConnectionError

        def close(self):
            pass

    with RestClient("http://billing/v1") as client:
        client.mount("http://", Adapter())
        with pytest.raises((requests.RequestException, UnicodeError)):
            client.get(url)
    for each in sent:
        path = urlsplit(each).path
        assert path == "/v1" or (path.startswith("/v1/") and "/../" not in f"{path}/".removeprefix("/v1/x"))
