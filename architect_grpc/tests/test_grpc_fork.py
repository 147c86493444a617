"""A service that was used before a fork is used after it, in parent and child."""

from __future__ import annotations

import pytest

from architect_core.testing.forking import can_fork, in_child


@pytest.mark.skipif(not can_fork(), reason="this system has no fork")
def test_parent_and_children_call_after_forks(ledger):
    two = ledger("127.0.0.1", "127.0.0.1")
    service = two.service()
    ask = service.defs.Word(text="parent")

    def call_in_child():
        for _ in range(3):
            service.client.Look(service.defs.Word(text="child"), timeout=5)
        in_child(lambda: service.client.Look(service.defs.Word(text="grandchild"), timeout=5), 8)

    service.client.Look(ask)
    for _ in range(2):
        in_child(call_in_child, 9)
        service.client.Look(ask, timeout=5)
    assert [two.times(f"Look {name}") for name in ("parent", "child", "grandchild")] == [3, 6, 2]
