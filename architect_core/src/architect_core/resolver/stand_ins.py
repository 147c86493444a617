"""What may take the place of real dependencies: nothing, unless a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract.development import Double
    from architect_core.exceptions import ArchitectError, UnknownNameError
    from architect_core.resolver.events import Notification


class StandIns:
    """Base of what a resolver asks before it uses a real dependency; this one replaces none."""

    def double(self, service: str) -> Double | None:  # noqa: ARG002 - for subclasses
        """The double of a service that has an entry; None for the real one."""
        return None

    def notification(self, event: str) -> Notification | None:  # noqa: ARG002 - likewise
        """The double of an event of the running service; None for the real one."""
        return None

    def defers_unknown(self) -> bool:
        """Whether an unknown service is an error only when it is used, and not when it is looked up."""
        return False

    def unknown(self, error: UnknownNameError) -> ArchitectError:
        """The error to raise for a name that the configuration does not hold, instead of `error`."""
        return error


class Deferring(StandIns):
    """Replaces no dependency, but lets unknown services be looked up for as long as `is_on()`."""

    def __init__(self, is_on: Callable[[], bool]) -> None:
        self.defers_unknown = is_on  # type: ignore[method-assign] # the same signature
