"""The client is a requests.Session of one service."""

from __future__ import annotations

import doctest
import importlib
import multiprocessing
import pickle
import socket
import subprocess
import sys
import threading

import pytest
import requests

from architect_core.exceptions import ArchitectError, ConfigError
from architect_core.resolver import Resolver
from architect_rest import PathParameterError, RestClient


def test_the_client_is_a_requests_session(client):
    assert isinstance(client, requests.Session)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_each_method_reaches_the_service(client, method):
    answer = getattr(client, method)("/resource", params={"a": "1"}, headers={"x-one": "1"}).json()
    assert (answer["method"], answer["path"], answer["headers"]["x-one"]) == (method.upper(), "/resource?a=1", "1")


def test_the_documentation_s_set_of_data_is_a_form_or_a_body(client):
    assert client.post("/r", {("amount", "10")}).json()["body"] == "amount=10"
    assert client.post("/r", {"text"}).json()["body"] == "text"
    assert client.put("/r", {b"text"}).json()["headers"]["content-length"] == "4"


def test_a_set_of_what_is_no_text_is_refused(client, server):
    with pytest.raises(TypeError):
        client.post("/r", {5})
    assert server.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "aio.guard",
        "policy.limits",
        "policy.origin",
        "policy.path_params",
        "policy.retry",
        "policy.scope",
        "sync.client",
        "sync.urls",
    ],
)
def test_the_examples_in_the_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(f"architect_rest.{name}")).failed == 0


def test_head_reaches_the_service(client, server):
    assert client.head("/resource").status_code == 200
    assert server.asked[0]["method"] == "HEAD"


def test_everything_that_requests_takes_is_taken(client):
    answer = client.request(
        "POST", "/r", {"q": "1"}, {"form": "1"}, {"x-h": "h"}, {"c": "k"}, None, ("u", "p"), 5
    ).json()
    assert answer["path"] == "/r?q=1"
    assert answer["body"] == "form=1"
    assert answer["headers"]["cookie"] == "c=k"
    assert answer["headers"]["authorization"].startswith("Basic ")
    assert client.post("/r", files={"f": b"data"}).json()["headers"]["content-type"].startswith("multipart/form-data")
    assert client.post("/r", json={"a": [1]}).json()["body"] == '{"a": [1]}'
    assert client.get("/r", hooks={"response": lambda response, **_: setattr(response, "seen", True)}).seen
    with client.get("/r", stream=True) as response:
        assert next(response.iter_content(4))


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"host": "http://127.0.0.1"}, "/resource"),
        ({"host": "127.0.0.1"}, "/resource"),
        ({"host": "http://127.0.0.1/"}, "/resource"),
        ({"host": "http://127.0.0.1/v1"}, "/v1/resource"),
        ({"host": "127.0.0.1/v1/"}, "/v1/resource"),
        ({"host": "http://localhost/a/b"}, "/a/b/resource"),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("asked", ["/resource", "resource"])
def test_a_host_may_have_a_scheme_and_a_base_path(server, resolve, entry, path, as_text, asked):
    client = resolve(port=str(server.port) if as_text else server.port, **entry)
    assert client.get(asked).json()["path"] == path


def test_the_port_may_be_part_of_the_host(server, resolve):
    assert resolve(host=f"{server.url}/v1").get("/x").json()["path"] == "/v1/x"


def test_ipv6_hosts_work_with_and_without_brackets(start_server, resolve):
    try:
        server = start_server("::1")
    except OSError as problem:
        pytest.skip(f"this machine has no IPv6: {problem}")
    for host in ("::1", "[::1]", "http://[::1]", f"http://[::1]:{server.port}"):
        assert resolve(host=host, port=server.port).get("/x").json()["path"] == "/x"


@pytest.mark.parametrize("asked", ["", "?a=1", "#x"])
def test_an_empty_path_is_the_base_url(server, resolve, asked):
    assert resolve(host="http://127.0.0.1/v1", port=server.port).get(asked).json()["path"] == "/v1" + asked.strip("#x")


def test_paths_that_only_look_odd_stay_below_the_base(client):
    for asked, path in [("/a//b", "/a//b"), ("items:batch", "/items:batch"), ("/@evil", "/@evil"), ("@evil", "/@evil")]:
        assert client.get(asked).json()["path"] == path


def test_user_information_in_the_host_is_basic_authentication(server, resolve):
    client = resolve(host="http://us%40er:p%2Fw@127.0.0.1", port=server.port)
    assert client.get("/").json()["headers"]["authorization"] == requests.auth._basic_auth_str("us@er", "p/w")
    assert "p/w" not in repr(client)
    assert "p%2Fw" not in client.base_url


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"host": "ftp://billing", "port": 1}, "acme/billing.host"),
        ({"host": "billing"}, "acme/billing.port"),
        ({"host": "http://", "port": 1}, "acme/billing.host"),
        ({"host": "http://billing:2", "port": 1}, "acme/billing.host"),
        ({"host": "http://bil ling", "port": 1}, "acme/billing.host"),
        ({"host": "http://billing?x=s3cret", "port": 1}, "acme/billing.host"),
        ({"host": "http://b", "port": 1, "options": {"read_timeot": 1}}, "acme/billing.options.read_timeot"),
        ({"host": "http://b", "port": 1, "options": {"read_timeout": 0}}, "acme/billing.options.read_timeout"),
    ],
)
def test_the_error_for_a_wrong_entry_has_its_path_and_not_its_value(resolve, entry, path):
    with pytest.raises(ConfigError, match=path) as caught:
        resolve(**entry)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["é;a", "é_a", "é,a", "é" + "a" * 70, "☃", "é..a"])
def test_a_host_that_idna_does_not_allow_is_an_error(resolve, host):
    wrong = {"host": f"http://{host}"}
    for entry in (wrong, {"instances": [{"host": "http://a"}, wrong]}):
        with pytest.raises(ConfigError, match="host: is no host name: a part between its dots is empty") as caught:
            resolve(**entry)
        assert host not in str(caught.value)


def test_a_host_with_letters_that_idna_allows_is_one(resolve):
    assert repr(resolve(host="http://bücher.straße", port=80)) == "RestClient('http://xn--bcher-kva.xn--strae-oqa:80')"


def test_the_error_for_an_unknown_option_suggests_the_nearest(resolve):
    with pytest.raises(ConfigError, match="did you mean 'read_timeout'"):
        resolve(host="http://b", port=1, options={"read_timeot": 1})


def test_a_server_that_does_not_answer_raises_a_timeout_error(server, resolve):
    client = resolve(host="127.0.0.1", port=server.port, options={"read_timeout": 0.1})
    with pytest.raises(requests.ReadTimeout):
        client.get("/?sleep=1")
    with pytest.raises(requests.ReadTimeout):
        client.send(client.prepare_request(requests.Request("GET", "/?sleep=1")))
    assert client.get("/?sleep=0.2", timeout=5).ok
    assert client.get("/?sleep=0.2", timeout=None).ok


def test_time_outs_are_three_and_ten_seconds_unless_stated(client):
    assert client.timeout == (3.0, 10.0)


def test_a_dead_endpoint_raises_what_requests_raises(resolve):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(requests.ConnectionError):
        resolve(host="127.0.0.1", port=port).get("/")


def test_fifty_threads_that_ask_first_get_one_client(server):
    resolver = Resolver({"acme/billing": {"host": "127.0.0.1", "port": server.port, "api": "rest"}})
    barrier, found = threading.Barrier(50), []

    def ask() -> None:
        barrier.wait()
        found.append(resolver.service("acme/billing").client)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in found}) == 1
    resolver.close()


def test_a_client_survives_pickling_with_its_base_and_its_jail(client, other):
    client.headers["x-token"] = "t"
    clone = pickle.loads(pickle.dumps(client))
    assert clone.get("/x").json()["headers"]["x-token"] == "t"
    with pytest.raises(ArchitectError):
        clone.get(other.url)
    clone.close()


def _ask_in_child(client: RestClient, queue: multiprocessing.SimpleQueue) -> None:
    queue.put(client.get("/child").json()["connection"])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on fork with threads
def test_a_forked_child_opens_connections_of_its_own_and_keeps_the_session(client):
    mine = client.get("/parent").json()["connection"]
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_ask_in_child, args=(client, queue))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert queue.get() != mine
    assert client.get("/parent").json()["connection"] == mine


@pytest.mark.parametrize("path", ["/x", "x", "{}/x"])
def test_a_request_that_is_not_prepared_is_refused_as_requests_refuses_it(client, server, path):
    with pytest.raises(ValueError, match="You can only send PreparedRequests"):
        client.send(requests.Request("POST", path.format(server.url)))
    assert server.asked == []


def test_placeholders_are_filled_and_percent_encoded(client):
    answer = client.put("/resource/:resource_id", json={"a": 1}, path_params={"resource_id": "a/b ?#%ü"})
    assert answer.json()["path"] == "/resource/a%2Fb%20%3F%23%25%C3%BC"


def test_without_path_params_the_url_is_left_alone(client):
    assert client.get("/resource/:resource_id").json()["path"] == "/resource/:resource_id"


def test_placeholders_in_a_query_are_not_filled(client):
    assert client.get("/a/:b?t=/:c", path_params={"b": 1}).json()["path"] == "/a/1?t=/:c"


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_value_that_is_no_segment_is_refused(client, server, value):
    with pytest.raises(PathParameterError, match=":b"):
        client.get("/a/:b", path_params={"b": value})
    assert server.asked == []


def test_missing_and_unused_values_are_both_named(client):
    with pytest.raises(PathParameterError, match=r"no value for :b; .*no placeholder for :c") as caught:
        client.get("/a/:b", path_params={"c": "s3cret"})
    assert isinstance(caught.value, requests.exceptions.InvalidURL)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("architect_rest.plugin", {"requests", "urllib3", "httpx2", "grpc"}),
        ("architect_rest.policy.attempts", {"requests", "urllib3", "httpx2"}),
        ("architect_rest.serving", {"requests", "urllib3", "httpx2"}),
        ("architect_rest.sync.client", {"httpx2", "grpc"}),
        ("architect_rest.aio.client", {"requests", "urllib3", "grpc"}),
    ],
)
def test_importing_one_part_imports_no_library_of_another(module, unwanted):
    if "aio" in module:
        pytest.importorskip("httpx2", reason="the extra aio is not installed")
    program = f"import sys, {module}; print(sorted({unwanted!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
