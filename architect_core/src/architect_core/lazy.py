"""Names of a module that are imported on first use (PEP 562)."""

from __future__ import annotations

import sys
from importlib import import_module


def load(module: str, homes: dict[str, str], name: str) -> object:
    """The value of `name`, which becomes a plain attribute of `module`.

        def __getattr__(name: str) -> object:
            return load(__name__, _HOMES, name)

    `homes` maps names to the modules that define them. Raises AttributeError for any other name.
    """
    if name not in homes:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    value: object = getattr(import_module(homes[name]), name)
    setattr(sys.modules[module], name, value)
    return value
