"""What a reload changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """What a reload changed, among what had been asked for; false where it changed nothing.

    Attributes:
        services: names of services whose entry is another, or gone, or back.
        datastores: names of datastores whose credentials are others, or gone.
        events: names of events whose subscribers are others, or that are gone.
    """

    services: frozenset[str]
    datastores: frozenset[str]
    events: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.services or self.datastores or self.events)
