"""The repository and its packages, and an environment without settings of architect."""

from __future__ import annotations

import os
import socket
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Package:
    """A member of the workspace."""

    folder: Path
    distribution: str
    modules: frozenset[str]
    """The top-level modules of its wheel."""

    @property
    def wheel(self) -> str:
        """A pattern for the file name of its wheel."""
        return f"{self.distribution.replace('-', '_')}-[0-9]*.whl"


def _read_package(folder: Path) -> Package:
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    modules = frozenset(Path(module).name for module in wheel.get("packages", ()))
    return Package(folder, settings["project"]["name"], modules)


_MEMBERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
# by short name: the folder's without "architect_"
PACKAGES = {name.removeprefix("architect_"): _read_package(ROOT / name) for name in _MEMBERS}


def clean_environ(**more: str) -> dict[str, str]:
    """Return this process's environment without architect's and pytest's variables, and with `more`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHITECT", "PYTEST"))}
    return environ | more


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
