"""Where the programs of servers are: on the PATH, or in a wheel."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


def on_path(*names: str) -> Path | None:
    """The first of these programs that is on the PATH."""
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found).absolute() if found else None


def wheel_folder(module: str) -> Path | None:
    """The folder of an installed module, which is not imported; None where it is not installed."""
    spec = importlib.util.find_spec(module)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None
