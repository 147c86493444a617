"""Other libraries and architect's datastores read the same in URLs and connection strings, but for what is listed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from peers_replay import PEERS, rows
from url_peers.comparing import explain, read, replay
from url_peers.differences import DIFFERENCES
from url_peers.published import PUBLISHED

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "reading-urls.md"
BY_NAME = {peer.name: peer for peer in PEERS}
FEW = 120  # for each peer
MANY = 100_000 if os.environ.get("ARCHITECT_FUZZ") == "nightly" else 20_000


@pytest.mark.parametrize("name", BY_NAME)
def test_a_peer_and_architect_read_the_same_in_what_is_drawn_from_the_peer_s_grammar(name):
    replay(BY_NAME[name], DIFFERENCES, FEW)


@pytest.mark.parametrize(("name", "texts"), PUBLISHED.items())
def test_a_peer_and_architect_read_the_same_in_what_the_peer_s_own_tests_read(name, texts):
    for text in texts:
        explain(read(BY_NAME[name], text), DIFFERENCES)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.example)
def test_a_listed_difference_is_one(difference):
    peer = next(each for each in PEERS if each.name.startswith(difference.peers) and _shows(each, difference))
    assert peer.name.startswith(difference.peers)


def _shows(peer, difference):
    case = read(peer, difference.example)
    return any(difference.explains(case, name) for name in case.differing)


@pytest.mark.long
@pytest.mark.exhaustive
def test_many_texts_are_read_the_same_and_each_listed_difference_is_seen():
    script = Path(__file__).with_name("peers_replay.py")
    command = [sys.executable, script, "--examples", str(MANY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_documentation_has_each_listed_difference():
    lines = PAGE.read_text().splitlines()
    table = [line for line in lines if line.startswith("| ") and "[specification](" in line]
    assert table == rows(), "run: uv run python tests/peers_replay.py --rows"
