"""What a plugin imports that belongs to other plugins, found out in a fresh interpreter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from architect_core.plugins import loading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MODULE_SUFFIXES = {".py", ".so", ".pyd"}
_PROGRAM = """
import json, sys
asked = json.load(sys.stdin)
sys.path[:] = asked["path"]
before = set(sys.modules)
{program}
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def foreign_imports(plugin: str, program: str, asked: Mapping[str, object]) -> dict[str, str]:
    """The modules of other plugins, and of what only they require, that `program` imports: module -> distribution.

    Args:
        plugin: the name of the plugin that is tried.
        program: what is run in a fresh interpreter, where `asked` is a dictionary.
        asked: what it needs, as JSON can express it.

    Raises:
        AssertionError: the program failed; with what it printed.
    """
    foreign = _foreign_packages(plugin)
    found = {}
    for module in _imported(program, asked):
        for package, owner in foreign.items():
            if module == package or module.startswith(f"{package}."):
                found[module] = owner
    return found


def _imported(program: str, asked: Mapping[str, object]) -> list[str]:
    # on standard input, because arguments and variables can be read by others, and `asked` may hold what is secret
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _PROGRAM.format(program=program)],
        input=json.dumps({**asked, "path": sys.path}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"the plugin, which works here, fails in a fresh interpreter:\n{done.stderr}")
    imported: list[str] = json.loads(done.stdout.splitlines()[-1])
    return imported


def _foreign_packages(plugin: str) -> dict[str, str]:
    """The packages that belong to other plugins: name -> distribution."""
    entries = [entry for entry in loading.installed() if entry.dist is not None]
    mine = {entry.dist.name for entry in entries if entry.dist and entry.name == plugin}
    own = _with_requirements({*mine, "architect-core"})
    others = [entry for entry in entries if entry.dist and loading.normalised(entry.dist.name) not in own]
    foreign = _with_requirements({entry.dist.name for entry in others if entry.dist}) - own
    owned = {package for name in own for package in _packages(name)}
    owned |= {_top(entry.module) for entry in entries if entry not in others}
    packages = {package: name for name in foreign for package in _packages(name) if package not in owned}
    for entry in others:  # an editable distribution does not say which packages it has
        top = _top(entry.module)
        packages[entry.module if top in owned else top] = loading.distribution(entry)
    return packages


def _top(module: str) -> str:
    return module.partition(".")[0]


def _packages(name: str) -> set[str]:
    """The top-level packages and modules of an installed distribution, as far as its list of files tells."""
    files = distribution(name).files or []
    tops = {_top(file.parts[0]) for file in files if file.suffix in _MODULE_SUFFIXES}
    return {top for top in tops if top.isidentifier()}


def _with_requirements(names: Iterable[str]) -> set[str]:
    """The distributions `names` and all that they require, with their own extras and without those of the others."""
    found: set[str] = set()
    pending = [(loading.normalised(name), True) for name in names]
    while pending:
        name, is_root = pending.pop()
        if name in found:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:  # of an extra, or for another system
            continue
        found.add(name)
        for requirement in required:
            match = _NAME.match(requirement)
            if match and (is_root or "extra ==" not in requirement):
                pending.append((loading.normalised(match[0]), False))
    return found
