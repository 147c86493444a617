"""The public surface as text: names and signatures of the SDK and the contract, and entry points."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator

from workspace import ROOT

import architect.sdk
import architect.testing
from architect_core import contract


def surface() -> str:
    """One line a name, sorted within each part."""
    parts = {
        "architect.sdk": _members({name: getattr(architect.sdk, name) for name in architect.sdk.__all__}),
        "architect.testing": _members({name: getattr(architect.testing, name) for name in architect.testing.__all__}),
        "the plugin contract": _members(
            {
                name: value
                for name, value in vars(contract).items()
                if inspect.isclass(value) and value.__module__.startswith("architect_core")
            }
        ),
        "entry points": _entry_points(),
    }
    return "\n".join(f"# {part}\n" + "".join(f"{line}\n" for line in lines) for part, lines in parts.items())


def _members(values: dict[str, object]) -> Iterator[str]:
    for name, value in sorted(values.items()):
        yield f"{name}{_signature(value)}"
        if inspect.isclass(value) and not issubclass(value, Exception):
            for member in sorted(vars(value)):
                if not member.startswith("_"):
                    yield f"    {name}.{member}{_signature(inspect.getattr_static(value, member))}"


def _signature(value: object) -> str:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    if not callable(value):
        return ""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return re.sub(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>", "...", text)  # a default without a repr of its own


def _entry_points() -> Iterator[str]:
    for file in sorted(ROOT.glob("architect_*/pyproject.toml")):
        project = tomllib.loads(file.read_text())["project"]
        for group, entries in sorted(project.get("entry-points", {}).items()):
            yield from (f"{group}: {name}" for name in sorted(entries))
        yield from (f"script: {name}" for name in sorted(project.get("scripts", {})))


if __name__ == "__main__":
    (ROOT / "tests" / "public_surface.txt").write_text(surface())
