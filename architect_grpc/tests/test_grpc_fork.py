"""A service used before a fork can be used after it, in the parent and in the child."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# another process, because gRPC does not fork after servers or with an open client for asyncio
PROGRAM = """
import asyncio, json, os, signal, sys
from architect_core.resolver import Resolver

service = Resolver(json.loads(sys.argv[1]), root=sys.argv[2]).service("ledger")
kept = []

def ask(who):
    service.client.Look(service.defs.Word(text=who), timeout=40)

async def ask_in_loop(who):
    kept.append(service.aio.client)
    await kept[-1].Look(service.defs.Word(text=who), timeout=40)

def fork(ask):
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        for _ in range(3):
            ask("child")
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, f"the child ended with {code}"
"""
WAYS = {
    "plain": """
ask("parent")
for _ in range(3):
    fork(ask)
    ask("parent")
""",
    "loops that ended": """
asyncio.run(ask_in_loop("parent"))
for _ in range(3):
    fork(lambda who: asyncio.run(ask_in_loop(who)))
    asyncio.run(ask_in_loop("parent"))
""",
    "closed in a loop that runs": """
async def main():
    await ask_in_loop("parent")
    for _ in range(3):
        await service.aio.close()
        fork(lambda who: asyncio.run(ask_in_loop(who)))
        await ask_in_loop("parent")

asyncio.run(main())
""",
    "both kinds of client": """
ask("parent")
for _ in range(3):
    fork(lambda who: asyncio.run(ask_in_loop(who)))
    asyncio.run(ask_in_loop("parent"))
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", WAYS)
def test_parent_and_children_call_after_forks(ledger, project, way):
    two = ledger("127.0.0.1", "127.0.0.1")
    two.service()
    # a new process and not a forked one, because gRPC would then be forked twice
    program = [sys.executable, "-c", PROGRAM + WAYS[way], json.dumps(project.config), str(project.root)]
    # again, because gRPC's own thread for asyncio may be at work in the moment of the fork, which gRPC does not survive
    for _ in range(2):
        before = [two.times(f"Look {name}") for name in ("parent", "child")]
        ended = subprocess.run(program, timeout=300, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr
    calls = [two.times(f"Look {name}") - made for name, made in zip(("parent", "child"), before, strict=True)]
    assert calls == [4, 9]
