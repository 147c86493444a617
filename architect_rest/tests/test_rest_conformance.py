"""REST clients and event delivery are what plugins of their kind must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import requests

from architect_core.contract import Subscription
from architect_testing import AioClientSuite, ClientFactorySuite, EventPublisherSuite


class TestRestClients(ClientFactorySuite):
    api = "rest"
    errors = (requests.RequestException,)
    timeout = 5.0

    @pytest.fixture
    def entry(self, server: Any) -> dict[str, Any]:
        return {"host": "http://127.0.0.1", "port": server.port}

    def impatient(self, entry: Any) -> Any:
        return {**entry, "options": {"read_timeout": 0.1, "retries": 0}}

    def call(self, client: requests.Session) -> None:
        client.get("/resource").raise_for_status()


class TestRestAioClients(AioClientSuite):
    api = "rest"
    errors = (httpx2.HTTPError,)
    timeout = 5.0

    @pytest.fixture
    def entry(self, server: Any) -> dict[str, Any]:
        return {"host": "http://127.0.0.1", "port": server.port}

    def impatient(self, entry: Any) -> Any:
        return {**entry, "options": {"read_timeout": 0.1, "retries": 0}}

    async def call(self, client: httpx2.AsyncClient) -> None:
        (await client.get("/resource")).raise_for_status()


class TestRestPublisher(EventPublisherSuite):
    api = "rest"

    @pytest.fixture
    def subscription(self, server: Any) -> Subscription:
        return Subscription("acme/mailer", "http://127.0.0.1", server.port, "/event", api="rest")

    @pytest.fixture
    def received(self, server: Any) -> Callable[[], list[bytes]]:
        return lambda: [asked["body"].encode("latin-1") for asked in list(server.asked)]
