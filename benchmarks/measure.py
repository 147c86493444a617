"""Measuring side by side: every figure is a ratio to a baseline that was measured in the same run, in turns with it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """What two things cost.

    Attributes:
        name: what was compared.
        ours: seconds of one operation, the median of all rounds.
        baseline: likewise.
        ratios: each round's own, which a change of the machine's speed between rounds leaves alone.
        target: what the median of the ratios should be at most; None if no target is set.
        is_memory: whether it is bytes that were compared.
    """

    name: str
    ours: float
    baseline: float
    ratios: list[float]
    target: float | None = None
    is_memory: bool = False

    def __str__(self) -> str:
        unit = _kilobytes if self.is_memory else _seconds
        ratio = f"{statistics.median(self.ratios):>6.2f} {min(self.ratios):>6.2f} {max(self.ratios):>6.2f}"
        target = "" if self.target is None else f" {self.target:>6.2f}"
        return f"{self.name:<62} {unit(self.ours):>9} {unit(self.baseline):>9} {ratio}{target}"


HEADER = f"{'':<62} {'ours':>9} {'baseline':>9} {'ratio':>6} {'min':>6} {'max':>6} {'target':>6}"


def compare(
    name: str,
    ours: Callable[[], object],
    baseline: Callable[[], object],
    *,
    repeat: int,
    rounds: int = 15,
    unrolled: int = 1,
    clock: Callable[[], float] = time.process_time,
    target: float | None = None,
) -> Comparison:
    """Run both in turns.

    Args:
        name: what is compared.
        ours: one operation of architect.
        baseline: the same done bare.
        repeat: operations in one round of each.
        rounds: how often both take their turn.
        unrolled: how many of what is named one operation does.
        clock: what is counted: this process's CPU seconds, or the wall clock.
        target: see `Comparison`.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    ours(), baseline()  # what the first call pays is not what is measured
    gc.collect()
    gc.disable()
    try:
        for round_number in range(rounds):
            sides = [(ours, taken[0]), (baseline, taken[1])]
            for operation, seconds in sides if round_number % 2 else reversed(sides):
                started = clock()
                for _ in range(repeat):
                    operation()
                seconds.append((clock() - started) / (repeat * unrolled))
    finally:
        gc.enable()
    ratios = [mine / bare for mine, bare in zip(*taken, strict=True)]
    return Comparison(name, statistics.median(taken[0]), statistics.median(taken[1]), ratios, target)


def compare_reported(
    name: str, ours: Callable[[], float], baseline: Callable[[], float], *, rounds: int = 15, is_memory: bool = False
) -> Comparison:
    """The same for operations that measure themselves, and return their seconds, or the bytes that they take."""
    taken: tuple[list[float], list[float]] = ([], [])
    ours(), baseline()
    for round_number in range(rounds):
        sides = [(ours, taken[0]), (baseline, taken[1])]
        for operation, seconds in sides if round_number % 2 else reversed(sides):
            seconds.append(operation())
    ratios = [mine / bare for mine, bare in zip(*taken, strict=True)]
    return Comparison(name, statistics.median(taken[0]), statistics.median(taken[1]), ratios, is_memory=is_memory)


def _seconds(value: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value / 1e-9:.0f} ns"


def _kilobytes(value: float) -> str:
    return f"{value / 1024:.1f} KiB"
