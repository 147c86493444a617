"""Draws URLs from the grammars of other libraries, and compares what they and architect's datastores read in them.

`uv run python tests/peers_replay.py --examples 100000`: so many in all. It prints how often each difference of the list
in `url_peers/differences.py` was seen, and fails if there is another one, or if one of the list was never seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from url_peers import amqp_urls, django_urls, http_urls, mongodb_urls, postgresql, redis_urls, sqlalchemy_urls
from url_peers.comparing import Difference, Peer, replay
from url_peers.differences import DIFFERENCES

PEERS: tuple[Peer, ...] = (
    *postgresql.PEERS,
    *sqlalchemy_urls.PEERS,
    *django_urls.PEERS,
    *redis_urls.PEERS,
    *amqp_urls.PEERS,
    *mongodb_urls.PEERS,
    *http_urls.PEERS,
)

EXCLUDED = {
    "PyMySQL, mysqlclient, aiomysql": "read no URLs",
    "pymssql, pyodbc": "read no URLs",
    "boto3": "reads no URLs but those of endpoints",
    "PyMongo, mongodb+srv": "asks the DNS while it reads a URL",
}
"""What is not compared, and why."""


def rows() -> list[str]:
    """The list of differences as rows of a table."""
    cells = (
        ("; ".join(each.peers) or "all", each.what, each.reason, f"`{each.example}`", f"[specification]({each.link})")
        for each in DIFFERENCES
    )
    return [f"| {' | '.join(row)} |" for row in cells]


def run(examples: int) -> int:
    """Draws `examples` texts in all; returns the exit code."""
    seen: Counter[str] = Counter()
    failed = False
    for peer in PEERS:
        started = time.monotonic()
        try:
            counted = replay(peer, DIFFERENCES, examples // len(PEERS))
        except AssertionError as problem:
            print(problem)
            failed = True
            continue
        count = counted.pop("")
        took = time.monotonic() - started
        print(f"{peer.name}: {count} texts in {took:.0f} s, {sum(counted.values())} listed differences")
        seen += counted
    for each in DIFFERENCES:
        print(f"{seen[each.what]:8d}  {each.peers[0]}: {each.what}")
    for name, reason in EXCLUDED.items():
        print(f"not compared: {name}: {reason}")
    unseen: list[Difference] = [each for each in DIFFERENCES if not seen[each.what]]
    for each in unseen:
        print(f"is listed and was not seen: {each.what}")
    return 1 if failed or unseen else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="how many texts are drawn in all")
    parser.add_argument("--rows", action="store_true", help="print the table of the documentation instead")
    chosen = parser.parse_args()
    if chosen.rows:
        print("\n".join(rows()))
    else:
        sys.exit(run(chosen.examples))
