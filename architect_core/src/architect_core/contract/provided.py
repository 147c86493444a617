"""The base of the classes of the contract, and the base of a plugin's options."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from architect_core.schema.base import Strict


class Provided(ABC):
    """Base of the classes whose instances a plugin's hooks return; `hook` is the hook's name."""

    hook: ClassVar[str]


class Options(Strict):
    """Base of a plugin's own options: `{"options": {...}}` in a service's entry. An unknown option is an error."""
