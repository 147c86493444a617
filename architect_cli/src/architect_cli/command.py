"""What starts a service in development."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from architect_core.contract import read_json
from architect_core.exceptions import ManifestError, RunError

if TYPE_CHECKING:
    from architect_cli.tree import Node

_PYTHON_PROGRAMS = ("main.py", "app.py", "server.py")
# what only a shell understands: its signs, a variable before the command, and commands of its own
_NEEDS_A_SHELL = re.compile(r"[;&|<>$`\n(){}\[*?~#]|^\s*(\w+=|(exec|cd|export|set|ulimit|umask|eval|source|\.|!)\s)")


def command_of(node: Node) -> list[str]:
    """A service's `debug` command, or what services of its language are usually started with.

    Raises:
        RunError: there is neither, or the command cannot be read.
    """
    debug = node.manifest.debug
    if debug is not None:
        return ["/bin/sh", "-c", debug] if _NEEDS_A_SHELL.search(debug) else _split(debug, node)
    if node.manifest.language == "node":
        if _has_start_script(node):
            return ["npm", "start"]
        if (node.folder / "index.js").is_file():
            return ["node", "index.js"]
        looked_for = "package.json with a start script, index.js"
    else:
        if node.manifest.language in {None, "python"}:
            for program in _PYTHON_PROGRAMS:
                if (node.folder / program).is_file():
                    return ["python", program]
        looked_for = ", ".join(_PYTHON_PROGRAMS)
    raise RunError(
        f"{node.name}: what starts it is not known. Write `debug` in {node.folder / 'architect.json'}; "
        f"its folder has none of: {looked_for}"
    )


def _split(debug: str, node: Node) -> list[str]:
    try:
        if words := shlex.split(debug):
            return words
        reason = "it is empty"
    except ValueError as problem:
        reason = str(problem).lower()
    raise RunError(f"{node.name}: `debug` in {node.folder / 'architect.json'} cannot be read: {reason}")


def _has_start_script(node: Node) -> bool:
    package = node.folder / "package.json"
    if not package.is_file():
        return False
    content = read_json(package.read_bytes(), str(package), error=ManifestError)
    scripts = content.get("scripts") if isinstance(content, dict) else None
    return isinstance(scripts, dict) and "start" in scripts
