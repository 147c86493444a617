"""What all resolvers that `architect.sdk` uses, one after the other, have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from architect_core._runtime.fork import ForkSafeLock

if TYPE_CHECKING:
    from architect_core.resolver.service import Service

lock = ForkSafeLock()
"""Held while the resolver is replaced, or `handed_out` is added to or iterated over."""

handed_out: WeakSet[Service] = WeakSet()
"""Every service that application code got and still holds."""
