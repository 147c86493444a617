"""The Python files of a folder, and the applications and servers in them, without importing any."""

from __future__ import annotations

import ast
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.contract import MANIFEST_FILE, STUBS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEEPEST = 4
_LARGEST = 1 << 20
_MOST = 2000  # files of one kind
_SKIPPED = frozenset(
    {STUBS_FOLDER, "build", "dist", "docs", "examples", "migrations", "node_modules", "site-packages", "test", "tests"}
)
_USUAL = ("main", "app", "server", "wsgi", "asgi", "api", "__init__")


@dataclass(frozen=True)
class Application:
    """An object, or a function that makes it, which a server of WSGI or ASGI serves.

    Attributes:
        framework: the class, such as "Flask".
        module: the file.
        name: the object, or the function.
        is_factory: whether it is a function.
    """

    framework: str
    module: Module
    name: str
    is_factory: bool


@dataclass(frozen=True)
class Module:
    """A Python file; `path` is relative to `folder`."""

    folder: Path
    path: Path
    text: str
    tree: ast.Module

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its order among others: those that are not deep, and have a usual name, come first."""
        usual = _USUAL.index(self.path.stem) if self.path.stem in _USUAL else len(_USUAL)
        return len(self.path.parts), usual, str(self.path)

    @property
    def location(self) -> tuple[Path, str]:
        """The folder to import it from, relative to `folder`, and its dotted name there."""
        base = self.path.parent
        while base != Path() and (self.folder / base / "__init__.py").is_file():
            base = base.parent
        # a folder that is no package is one to import from if the module imports a neighbour, and else a namespace
        if base.name != "src" and not self._imports_from(base):
            base = Path()
        parts = self.path.relative_to(base).with_suffix("").parts
        return base, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _imports_from(self, base: Path) -> bool:
        return base != Path() and any(
            (self.folder / base / f"{name}.py").is_file() or (self.folder / base / name).is_dir()
            for name in self.imported()
        )

    def imported(self) -> Iterator[str]:
        """The first part of the name of each module that it imports by an absolute name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.partition(".")[0]

    def applications(self, frameworks: Iterable[str]) -> Iterator[Application]:
        """The applications that it defines, objects before functions that make one."""
        statements = list(_top_level(self.tree.body))
        makers = {name: name for name in frameworks}  # what is called -> the class of what that returns
        factories: list[Application] = []
        for statement in statements:
            if isinstance(statement, ast.FunctionDef):
                made = [_called(node) for node in ast.walk(statement)]
                found = next((makers[each] for each in made if each in makers), None)
                if found is not None:
                    makers[statement.name] = found
                    if not _needs_arguments(statement):
                        factories.append(Application(found, self, statement.name, is_factory=True))
        for statement in statements:
            targets = _targets(statement)
            if targets and (called := _called(statement.value)) in makers:  # type: ignore[attr-defined]
                yield Application(makers[called], self, targets[0], is_factory=False)
        yield from factories

    @property
    def serves_itself(self) -> bool:
        """Whether it is a program that reads the variable PORT."""
        texts = {node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant)}
        return {"PORT", "__main__"} <= texts

    def calls(self, *functions: str) -> bool:
        """Whether it calls a function with one of these dotted names."""
        return any(isinstance(node, ast.Call) and _dotted(node.func) in functions for node in ast.walk(self.tree))


def files_of(folder: Path, pattern: str) -> Iterator[Path]:
    """The files whose names match, relative to `folder`, without those of tests, environments and other services."""
    found = 0
    for name, folders, files in os.walk(folder):
        here = Path(name)
        folders[:] = sorted(each for each in folders if _is_own(here / each)) if _depth(here, folder) < _DEEPEST else []
        for file in sorted(files):
            path = here / file
            if path.match(pattern) and found < _MOST and path.is_file() and path.stat().st_size <= _LARGEST:
                found += 1
                yield path.relative_to(folder)


def modules_of(folder: Path) -> list[Module]:
    """The Python files that can be parsed, the likeliest ones to be started first."""
    found = []
    for path in files_of(folder, "*.py"):
        try:
            text = (folder / path).read_text(encoding="utf-8")
            with warnings.catch_warnings(action="ignore"):  # such as those of invalid escapes
                found.append(Module(folder, path, text, ast.parse(text)))
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return sorted(found, key=lambda module: module.rank)


def _depth(path: Path, folder: Path) -> int:
    return len(path.relative_to(folder).parts)


def _is_own(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return False
    return not (folder / "pyvenv.cfg").exists() and not (folder / MANIFEST_FILE).exists()


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            yield from _top_level([*statement.body, *getattr(statement, "orelse", [])])


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [each.id for each in statement.targets if isinstance(each, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _needs_arguments(function: ast.FunctionDef) -> bool:
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or any(each is None for each in arguments.kw_defaults)


def _called(node: ast.AST | None) -> str:
    """The last part of the name of the function that an expression calls, or an empty text."""
    return _dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
