"""Whether a REST service takes calls is asked of the path that its manifest states."""

from __future__ import annotations

import socket
import time

import pytest

from architect_core.contract import Listener, ReadinessProbe
from architect_core.plugins import Plugins
from architect_rest.readiness import RestReadiness


def is_ready(port: int, path: str | None) -> bool:
    probe = Plugins().get(ReadinessProbe, "rest", "the tests")
    return probe.is_ready(Listener("acme/billing", "127.0.0.1", port, RestReadiness(path=path)), 0.5)


@pytest.mark.parametrize(
    ("status", "ready"), [(200, True), (204, True), (302, True), (404, False), (500, False), (503, False)]
)
def test_a_status_from_200_to_399_is_ready(server, status, ready):
    path = f"/health?status={status}&to=http://elsewhere.invalid/"
    assert is_ready(server.port, path) is ready
    assert [asked["path"] for asked in server.asked] == [path]


def test_without_a_path_one_that_listens_is_ready_and_not_asked(server):
    assert is_ready(server.port, None)
    assert server.asked == []


def test_a_closed_port_and_a_silent_server_are_not_ready():
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not is_ready(silent.getsockname()[1], "/")
    assert not is_ready(port_of_nobody(), "/")
    assert time.monotonic() - started < 20


def port_of_nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("path", ["health", "http://elsewhere/", "/a b", "/\n", ""])
def test_a_path_starts_with_a_slash_and_holds_no_spaces(path):
    with pytest.raises(ValueError, match="path"):
        RestReadiness(path=path)
