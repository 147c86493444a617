"""REST clients are what clients must be."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import requests

from architect_testing import AioClientSuite, ClientFactorySuite


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
