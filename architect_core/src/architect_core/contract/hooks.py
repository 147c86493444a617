"""The hooks of a plugin, one for each class of the contract; `docs/reference/hooks.md` has an example of each."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

import pluggy

from architect_core.schema.base import Strict

GROUP = "architect"
"""The entry-point group."""

CONTRACT = 2
"""The version of this contract. It grows by one when a hook or a method is added."""

OLDEST_CONTRACT = 2
"""The oldest version whose plugins still work. It grows when a hook or method is removed or changes its meaning."""

hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a function of a plugin as a hook."""


class Provided(ABC):
    """Base of the classes whose instances a plugin's hooks return; `hook` is the hook's name."""

    hook: ClassVar[str]


class Options(Strict):
    """Base of a plugin's own options: `{"options": {...}}` in a service's entry. An unknown option is an error."""


def kinds() -> list[type[Provided]]:
    """Returns the classes that a plugin may provide, sorted by their hooks."""
    own = [kind for kind in Provided.__subclasses__() if kind.__module__.startswith("architect_core.contract.")]
    return sorted(own, key=lambda kind: kind.hook)
