"""Reports how a call ended to an observer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Self

from architect_core.contract import Outcome

if TYPE_CHECKING:
    from architect_core.contract import ClientObserver
    from architect_rest.policy.attempts import Call


class Observed:
    """A context manager around all attempts of one call.

    Attributes:
        status: that of the answer; to be set as soon as there is one.
    """

    def __init__(self, observer: ClientObserver, call: Call) -> None:
        self._observer = observer
        self._call = call
        self.status = 0

    def __enter__(self) -> Self:
        self._began = monotonic()
        return self

    def __exit__(self, raised: type[BaseException] | None, *more: object) -> None:
        error = raised.__name__ if raised else str(self.status) if self.status >= 400 else None
        tried = self._call.tried
        instance = tried[-1].name if tried else None
        self._observer.ended(Outcome(monotonic() - self._began, error, len(tried), instance))
