"""The base of sources that read environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from architect_core.contract.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class VariablesSource(Source):
    """A source that reads environment variables, by default those of the process; tests pass others as `environ`."""

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables to read."""
        return os.environ if self.environ is None else self.environ
