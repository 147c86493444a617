"""RabbitMQ on this machine, and names that each test has for itself."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
from rabbit_tools import Names


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ARCHITECT") and name != "ARCHITECT_REQUIRE_SERVERS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server() -> tuple[str, int]:
    address = "127.0.0.1", 5672
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError:
        pytest.skip("no RabbitMQ listens on 127.0.0.1:5672")
    return address


@pytest.fixture
def names(server: tuple[str, int]) -> Iterator[Names]:
    """Names of a publisher, its event and subscribers, whose queues and exchanges are deleted after the test."""
    made = Names()
    yield made
    asyncio.run(made.delete())
