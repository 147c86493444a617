"""Makes the same calls with either client of a service."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import requests
from faults import MisbehavingProcess
from requests.adapters import HTTPAdapter

from architect_core.resolver import Resolver

each_client = pytest.mark.parametrize("kind", ["sync", "aio"])
each_transport = pytest.mark.parametrize("elsewise", [False, True], ids=["own-transport", "other-transport"])


class Scripted(MisbehavingProcess):
    """A server in a process of its own that does what the query of each request says."""

    def __init__(self, certificate: str = "") -> None:
        super().__init__("scripted", certificate)
        self._seen = 0

    def at(self, host: str = "127.0.0.1") -> str:
        """Its URL with one of its host names."""
        return f"http://{host}:{self.port}"

    def heads(self) -> list[str]:
        """The heads of the requests since the last time."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"GET /mark HTTP/1.1\r\nConnection: close\r\n\r\n")
            connection.recv(1000)
        ends = time.monotonic() + 10
        while not any(each.startswith("GET /mark ") for each in self.asked[self._seen :]) and time.monotonic() < ends:
            time.sleep(0.002)
        found = self.asked[self._seen :]
        self._seen += len(found)
        assert found.pop().startswith("GET /mark ")
        return found


@dataclass
class Call:
    """A call of either client."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    follows: bool = True
    takes: int = 0  # how many redirects are taken by hand
    streams: bool = False


def outcomes(kind: str, entry: dict[str, Any], *calls: Call, cookie: str = "", elsewise: bool = False) -> list[str]:
    """What was answered to each call, or the name of the error.

    The calls are made by one client, which has a `cookie`. It sends through a transport that is not its own if
    `elsewise`.
    """
    resolver = Resolver({"acme/billing": {"api": "rest", "host": "127.0.0.1", **entry}})
    service = resolver.service("acme/billing")

    async def use_aio() -> list[str]:
        client = service.aio.client
        if cookie:
            client.cookies.set("session", cookie)
        if elsewise:
            client.send_through(httpx2.AsyncHTTPTransport())
        return [await _aio(client, each) for each in calls]

    if kind == "aio":
        return asyncio.run(use_aio())
    client = service.client
    if cookie:
        client.cookies.set("session", cookie)
    if elsewise:
        client.mount("http://", HTTPAdapter())
        client.mount("https://", HTTPAdapter())
    try:
        return [_sync(client, each) for each in calls]
    finally:
        resolver.close()


def _sync(client: requests.Session, call: Call) -> str:
    try:
        response = client.request(
            call.method,
            call.url,
            headers=call.headers,
            data=call.body,
            allow_redirects=call.follows,
            stream=call.streams,
        )
        for _ in range(call.takes):
            assert response.next is not None
            response = client.send(response.next, allow_redirects=False)
        return response.text if not call.streams else str(response.status_code)
    except requests.RequestException as problem:
        return type(problem).__name__


async def _aio(client: httpx2.AsyncClient, call: Call) -> str:
    try:
        request = client.build_request(call.method, call.url, headers=call.headers, content=call.body)
        response = await client.send(request, follow_redirects=call.follows, stream=call.streams)
        for _ in range(call.takes):
            assert response.next_request is not None
            response = await client.send(response.next_request)
        if call.streams:
            await response.aclose()
            return str(response.status_code)
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        return type(problem).__name__
    return response.text
