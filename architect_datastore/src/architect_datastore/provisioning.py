"""What the provisioners of `architect run` share: server programs, and the values that a run wants."""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from architect_core.contract import is_text
from architect_core.exceptions import RunError


def on_path(*names: str) -> Path | None:
    """Returns the first of these programs that is on the PATH, or None."""
    found = next(filter(None, map(shutil.which, names)), None)
    return Path(found).absolute() if found else None


def wheel_folder(module: str) -> Path | None:
    """Returns the folder of a module without importing it, or None if it is not installed."""
    spec = importlib.util.find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) if folders else None


def wanted_text(wanted: Mapping[str, str], field: str, default: str, engine: str) -> str:
    """Returns the wanted value of `field`, or the default.

    Raises:
        RunError: it is empty or cannot be stored; the message does not repeat it.
    """
    value = wanted.get(field, default)
    if not value:
        raise RunError(f"the {field} for {engine} is empty; give one, or remove it to get a default")
    if "\0" in value or not is_text(value):
        raise RunError(f"the {field} for {engine} has a character that is no text (NUL or a lone surrogate)")
    return value


def wanted_password(wanted: Mapping[str, str], engine: str) -> str:
    """Returns the wanted password, or a random one; raises RunError as `wanted_text` does."""
    return wanted_text(wanted, "password", secrets.token_urlsafe(), engine)


def check_version(record: Path, version: str, engine: str) -> None:
    """Writes the version of a server, "NAME NUMBER.NUMBER", to `record`, which is kept beside its data.

    Raises:
        RunError: the data were written by another program, or by a newer version, whose files an older one cannot read.
    """
    try:
        former = record.read_text()
    except FileNotFoundError:
        former = version
    if former.split()[:1] != version.split()[:1] or _numbers(former) > _numbers(version):
        raise RunError(
            f"the kept data of {engine} in {record.parent} were written by {former}, which {version} may be unable to "
            f"read. Put {former} on the PATH, or delete what is kept with `architect reset`"
        )
    record.write_text(version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
