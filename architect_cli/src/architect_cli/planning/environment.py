"""The variables that every program of a run gets, and the programs that a service's commands mean."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.contract import (  # isort: skip
    CURRENT_SERVICE_VARIABLE, FILE_VARIABLE, ROOT_VARIABLE, SERVICES_VARIABLE, SOURCE_VARIABLE,
)  # fmt: skip
from architect_cli.process.reaping import RUN_VARIABLE
from architect_core.exceptions import RunError
from architect_core.resolver.events import EVENTS_VARIABLE
from architect_core.sources.variables import LOCAL_VARIABLE

if TYPE_CHECKING:
    from architect_cli.planning.tree import Node

# what describes the process that was started last, and the configuration that the run replaces by its own
_OF_THIS_PROCESS = frozenset(
    {
        CURRENT_SERVICE_VARIABLE,
        EVENTS_VARIABLE,
        FILE_VARIABLE,
        LOCAL_VARIABLE,
        ROOT_VARIABLE,
        RUN_VARIABLE,
        SERVICES_VARIABLE,
        SOURCE_VARIABLE,
        "HOST",
        "OLDPWD",
        "PORT",
        "PWD",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "VIRTUAL_ENV_PROMPT",
    }
)
_OWN = ".venv"


def own_variables() -> dict[str, str]:
    """Returns the environment of this process, without what describes this process and the service that it is for."""
    return {name: value for name, value in os.environ.items() if name not in _OF_THIS_PROCESS}


@dataclass(frozen=True)
class Programs:
    """Where `python` and other programs are searched first.

    Attributes:
        virtual_environment: the folder of the one that they are in, if they are in one.
        own: the folder with the service's own programs, if it has a virtual environment of its own.
    """

    virtual_environment: Path | None
    own: Path | None = None

    def variables(self, path: str) -> dict[str, str]:
        """The variables for them, where `path` is searched after them."""
        found = {} if self.virtual_environment is None else {"VIRTUAL_ENV": str(self.virtual_environment)}
        folders = [str(folder) for folder in (self.own, Path(sys.executable).parent) if folder is not None]
        return found | {"PYTHONUNBUFFERED": "1", "PATH": os.pathsep.join([*folders, path])}


def programs_of(node: Node) -> Programs:
    """Returns the programs of a service's own `.venv`, and after them those beside this process.

    Raises RunError if the service has a `.venv` whose Python cannot be started.
    """
    own = node.folder / _OWN
    if not own.is_dir():
        return Programs(Path(sys.prefix) if sys.prefix != sys.base_prefix else None)
    python = own / "bin" / "python"
    if not os.access(python, os.X_OK):
        reason = f"{python} cannot be started"
        if python.is_symlink() and not python.exists():
            reason = f"{python} leads to {python.readlink()}, which does not exist"
        elif not python.exists():
            reason = f"it has no {python.relative_to(own)}"
        raise RunError(f"{node.name}: the virtual environment {own} is broken: {reason}. Make it again, or remove it")
    return Programs(own, own / "bin")
