"""The embedded channel is what a channel of events must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from architect_core.contract import Capabilities
from architect_events.outbox.consumer import LEASE
from architect_testing import EventChannelSuite


class TestEmbeddedChannel(EventChannelSuite):
    channel = "events.sqlite"
    capabilities = Capabilities(orders=True, holds_back=True, lease=LEASE)
    network = False

    @pytest.fixture
    def broker(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'events.db'}"
