"""What the parts of a run have printed last, masked, for terminals that ask for it later or go on reading."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

_KEPT = 1_000_000  # characters of each part
_WAITING = 4_000_000  # characters that a slow reader may be behind

RUN = ""  # the name under which lines about the run itself are kept


@dataclass(frozen=True)
class Printed:
    """Whole lines that a part has printed, or the start of a line, such as a prompt."""

    name: str
    lines: Sequence[str]
    start: str = ""
    number: int = 0

    @property
    def size(self) -> int:
        """How many characters it has."""
        return len(self.start) + sum(map(len, self.lines)) + len(self.lines)


class History:
    """Keeps the last million characters of each part."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Printed]] = {}
        self._sizes: dict[str, int] = {}
        self._started: dict[str, str] = {}  # lines that have not ended
        self._number = 0
        self._followers: set[Follower] = set()

    def add(self, name: str, lines: Sequence[str]) -> None:
        """Keep whole lines, which are masked."""
        self._number += 1
        printed = Printed(name, lines, number=self._number)
        kept = self._kept.setdefault(name, deque())
        kept.append(printed)
        self._sizes[name] = self._sizes.get(name, 0) + printed.size
        while self._sizes[name] > _KEPT and len(kept) > 1:
            self._sizes[name] -= kept.popleft().size
        self._started.pop(name, None)
        self._publish(printed)

    def show(self, name: str, line: str) -> None:
        """Take a line that has started, which is masked, and which may go on."""
        self._started[name] = line
        self._publish(Printed(name, (), line))

    def last(self, names: Collection[str] | None, count: int | None = None) -> list[tuple[str, str]]:
        """The last lines of these parts, or of all, each with the name of its part, in the order of their printing."""
        found = [printed for name, kept in self._kept.items() if names is None or name in names for printed in kept]
        found.sort(key=lambda printed: printed.number)
        lines = [(printed.name, line) for printed in found for line in printed.lines]
        return lines if count is None else lines[len(lines) - min(count, len(lines)) :]

    def started(self, name: str) -> str:
        """The line that a part has started, such as a prompt."""
        return self._started.get(name, "")

    def follow(self, names: Collection[str] | None) -> Follower:
        """Returns an iterator over what these parts, or all, print from now on."""
        follower = Follower(names, self._followers)
        self._followers.add(follower)
        return follower

    def _publish(self, printed: Printed) -> None:
        for follower in self._followers:
            follower.take(printed)


class Follower:
    """What is printed from now on, until it is closed. If its reader is slow, lines are dropped and counted."""

    def __init__(self, names: Collection[str] | None, followers: set[Follower]) -> None:
        self._names = names
        self._followers = followers
        self._waiting: deque[Printed] = deque()
        self._size = 0
        self._dropped = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    def take(self, printed: Printed) -> None:
        """Keep it until it is read."""
        if self._names is not None and printed.name not in self._names:
            return
        if self._size > _WAITING:
            self._dropped += len(printed.lines)
            return
        self._waiting.append(printed)
        self._size += printed.size
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Printed]:
        while True:
            await self._changed.wait()
            while self._waiting:
                printed = self._waiting.popleft()
                self._size -= printed.size
                yield printed
            if self._is_closed:
                return
            if self._dropped:
                missing, self._dropped = self._dropped, 0
                yield Printed(RUN, [f"... {missing} lines are missing, because they were not read ..."])
            self._changed.clear()

    def close(self) -> None:
        """Take no more; what iterates over it ends."""
        self._followers.discard(self)
        self._is_closed = True
        self._changed.set()
