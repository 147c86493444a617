"""SQS is what a channel of events must be."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from sqs_tools import Cloud

from architect_core.contract import Capabilities
from architect_testing import EventChannelSuite


class TestSqsChannel(EventChannelSuite):
    channel = "events.sqs"
    capabilities = Capabilities(
        orders=True, holds_back=True, max_bytes=180 * 1024, max_delay=12 * 3600, lease=30, batch=100
    )

    @pytest.fixture
    def broker(self, cloud: Cloud) -> str:
        return cloud.url

    def address(self, broker: str) -> tuple[str, int]:
        endpoint = urlsplit(broker.partition("endpoint=")[2])
        return endpoint.hostname or "", endpoint.port or 0

    def at(self, broker: str, port: int) -> str:
        return f"{broker.partition('endpoint=')[0]}endpoint=http://127.0.0.1:{port}"

    def with_secret(self, broker: str, secret: str) -> str:
        return broker.replace(":s3cret@", f":{quote(secret, safe='')}@")
