"""No event is lost while the processes that it passes are killed: the short form of `benchmarks/events_campaign.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspace import ROOT, clean_environ

CAMPAIGN = ROOT / "benchmarks" / "events_campaign.py"
CHANNELS = ["webhooks-postgres", "webhooks-mariadb", "webhooks-sqlite", "rabbitmq", "sqs", "sqlite"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("channel", CHANNELS)
def test_2000_events_have_2000_effects_whatever_is_killed(channel):
    command = [sys.executable, CAMPAIGN, "--channel", channel, "--events", "2000", "--every", "2"]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, timeout=600, check=False)
    assert "2,000 events, lost 0," in done.stdout, done.stdout + done.stderr
    assert "effects 2,000;" in done.stdout
    assert "killed: publisher 0, relay 0, subscriber 0;" not in done.stdout
    assert done.returncode == 0
