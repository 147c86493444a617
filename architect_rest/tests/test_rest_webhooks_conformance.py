"""Webhooks are what a channel must be that delivers events itself."""

from __future__ import annotations

from typing import Any

import pytest
from webhook_servers import recording

from architect_core.contract import Capabilities, Subscription
from architect_testing import EventDeliverySuite


class TestWebhooks(EventDeliverySuite):
    channel = "events.rest"
    capabilities = Capabilities(keeps=False)

    @pytest.fixture
    def server(self) -> Any:
        with recording() as started:
            yield started

    @pytest.fixture
    def subscription(self, server: Any) -> Subscription:
        return Subscription("acme/mailer", "http://127.0.0.1", server.port, "/event")

    @pytest.fixture
    def received(self, server: Any) -> Any:
        return lambda: [asked["body"] for asked in server.asked]
