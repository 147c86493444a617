"""What it costs to load one plugin by its name, in environments of their own with few and with many distributions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from measure import Comparison, compare_reported

_SIZES = (25, 150)
_PACKAGES = ("architect-core", "architect-rest", "architect-grpc", "architect-datastore")
_REQUIRED = ("pluggy", "pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection",
             "requests", "urllib3", "certifi", "idna", "charset-normalizer", "grpcio", "protobuf")  # fmt: skip
_STDLIB = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")}

# each measures its last line alone; what all programs need, such as the parsed configuration, is there before
_HEAD = f"""
import sys
sys.path[:] = [*sys.argv[1:], *{sorted(_STDLIB)!r}, {str(Path(sysconfig.get_paths()["stdlib"], "lib-dynload"))!r}]
import time
import architect.sdk as architect
from architect_core.plugins import Plugins
config = {{name: {{"host": "h", "port": 1, "api": name}} for name in ("rest", "grpc")}}
rest = architect.Resolver(config).service("rest")
"""
_TAIL = """
print(time.process_time() - started)
"""
_ONE = "started = time.process_time(); rest.client"
_BARE = "started = time.process_time(); import requests; requests.Session()"
_ALL = """
started = time.process_time()
from architect_core.contract import hooks
from architect_core.plugins import loading
managers = [loading.load(entry) for entry in loading.installed()]
assert len(managers) > 10
for manager in managers:
    for kind in hooks.kinds():
        loading.call(manager, kind)
import requests, grpc
"""


def _link(distribution: Distribution, site: Path) -> None:
    """Put an installed distribution into another folder: its metadata, and links to what it holds."""
    metadata = Path(str(distribution._path))  # type: ignore[attr-defined] # noqa: SLF001 - the only way to the folder
    shutil.copytree(metadata, site / metadata.name)
    names = {Path(str(file)).parts[0] for file in distribution.files or ()}
    for name in names - {metadata.name, "..", "__pycache__"}:
        source = Path(str(distribution.locate_file(name)))
        if source.suffix != ".pth" and source.exists() and not (site / name).exists():
            (site / name).symlink_to(source)


def _environment(folder: Path, size: int) -> list[str]:
    """A folder with `size` distributions; gives what has to be on the path."""
    site = folder / f"site-{size}"
    site.mkdir()
    for name in (*_PACKAGES, *_REQUIRED):
        _link(distribution(name), site)
    for number in range(size - len(_PACKAGES) - len(_REQUIRED)):
        info = site / f"filler_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: filler-{number}\nVersion: 1.0\n")
        if number % 3 == 0:
            (info / "entry_points.txt").write_text(f"[console_scripts]\nfiller{number} = filler:main\n")
    return [str(site), *(str(Path(__file__).parent.parent / name.replace("-", "_") / "src") for name in _PACKAGES)]


def _measured(path: list[str], program: str) -> Callable[[], float]:
    command = [sys.executable, "-S", "-c", _HEAD + program + _TAIL, *path]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHITECT", "PYTHON"))}

    def run() -> float:
        done = subprocess.run(command, check=True, env=environ, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    return run


def loading() -> Iterator[Comparison]:
    """One plugin against its library alone, and against all plugins of the group."""
    with tempfile.TemporaryDirectory() as folder:
        for size in _SIZES:
            path = _environment(Path(folder), size)
            one, bare, every = (_measured(path, program) for program in (_ONE, _BARE, _ALL))
            where = f"of {size} distributions"
            yield compare_reported(f"load rest by name {where} / import requests", one, bare)
            yield compare_reported(f"load rest by name {where} / load all plugins", one, every)
