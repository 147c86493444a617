"""Finds what a plugin imports that belongs to other plugins."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from architect_core.plugins import loading

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
    """What `program` imports of other plugins, and of what only they require: module -> distribution.

    The program, which uses the plugin named `plugin`, is Python code. It runs in a fresh interpreter, where `asked` is
    a dictionary, passed as JSON.

    Raises:
        AssertionError: the program failed; the message has its output.
    """
    packages = _foreign_packages(plugin).items()
    modules = imported(program, asked)
    return {module: owner for module in modules for name, owner in packages if f"{module}.".startswith(f"{name}.")}


def imported(program: str, asked: Mapping[str, object]) -> list[str]:
    """The modules that `program` imports in a fresh interpreter; likewise."""
    # by standard input: command lines and variables can be read by other users, and `asked` may hold secrets
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", _PROGRAM.format(program=program)],
        input=json.dumps({**asked, "path": sys.path}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"the plugin works in the tests and fails in a fresh interpreter:\n{done.stderr}")
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


def _foreign_packages(plugin: str) -> dict[str, str]:
    """The packages that belong to other plugins: name -> distribution."""
    entries = [(entry, entry.dist.name) for entry in loading.installed() if entry.dist is not None]
    own = _with_requirements({"architect-core", *(name for entry, name in entries if entry.name == plugin)})
    others = [(entry, name) for entry, name in entries if loading.normalised(name) not in own]
    foreign = _with_requirements(name for _, name in others) - own
    owned = {package for name in own for package in _packages(name)}
    owned |= {_top(entry.module) for entry, name in entries if loading.normalised(name) in own}
    packages = {package: name for name in foreign for package in _packages(name) if package not in owned}
    for entry, _ in others:  # an editable distribution does not list its packages
        top = _top(entry.module)
        packages[entry.module if top in owned else top] = loading.distribution(entry)
    return packages


def _top(module: str) -> str:
    return module.partition(".")[0]


def _packages(name: str) -> set[str]:
    """The top-level packages and modules of a distribution, as far as its list of files has them."""
    tops = {_top(file.parts[0]) for file in distribution(name).files or [] if file.suffix in _MODULE_SUFFIXES}
    return {top for top in tops if top.isidentifier()}


def _with_requirements(names: Iterable[str]) -> set[str]:
    """The distributions `names` and all that they require: all of their own extras, and no extras of the others."""
    found: set[str] = set()
    pending = [(loading.normalised(name), True) for name in names]
    while pending:
        name, is_root = pending.pop()
        if name in found:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:  # required by an extra, or for another system
            continue
        found.add(name)
        for requirement in required:
            match = _NAME.match(requirement)
            if match and (is_root or "extra ==" not in requirement):
                pending.append((loading.normalised(match[0]), False))
    return found
