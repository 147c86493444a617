"""Virtual environments with the wheels of this repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from workspace import PACKAGES, ROOT, clean_environ

_UV = shutil.which("uv") or "uv"


def uv(*arguments: str | Path) -> None:
    subprocess.run([_UV, *arguments, "--quiet"], check=True, cwd=ROOT, env=clean_environ(), timeout=300)


def build_wheels(folder: Path) -> None:
    """Build the wheel of every package, and `constraints.txt`, with which uv installs them.

    Workers of pytest-xdist that call it at once wait for the first.
    """
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            uv("build", "--all-packages", "--wheel", "--out-dir", unfinished)
            lines = [
                f"{file.name.partition('-')[0]} @ {(folder / file.name).as_uri()}\n"
                for file in unfinished.glob("*.whl")
            ]
            (unfinished / "constraints.txt").write_text("".join(lines))
            unfinished.rename(folder)


def create_environment(folder: Path, wheels: Path, *requirements: str, pip: bool = False) -> dict[str, str]:
    """Create an environment; returns the variables of a shell in which it is active.

    A requirement is a package's short name, with extras or without (`rest[aio]`), or one as pip accepts it.
    """
    uv("venv", *(["--seed"] if pip else []), "--python", sys.executable, folder)
    named = [_name_distribution(requirement) for requirement in requirements]
    uv("pip", "install", "--python", folder, "--constraint", wheels / "constraints.txt", *named)
    unwanted = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    environ = {name: value for name, value in clean_environ().items() if name not in unwanted}
    path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
    # pytest cleans the folder of temporary files that all its runs share, which fails where two do at once
    own = {"PATH": path, "VIRTUAL_ENV": str(folder), "PYTEST_DEBUG_TEMPROOT": str(folder)}
    return environ | own | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _name_distribution(requirement: str) -> str:
    name, bracket, extras = requirement.partition("[")
    return PACKAGES[name].distribution + bracket + extras if name in PACKAGES else requirement
