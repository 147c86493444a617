"""What a run keeps for the next one, in `.architect` of its root's folder: ports, passwords, and servers' data."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import psutil

from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = ".architect"
_PRIVATE = "private"
_DATA = "data"
_VALUES = "values.json"
_LOCK = "lock"
_RELEASE_SECONDS = 2.0  # after the end of the process that has the lock
_POLL_SECONDS = 0.05


@dataclass
class Kept:
    """What a run may use of earlier ones, and keeps for later ones.

    Attributes:
        folder: where it is; None if nothing is kept.
        problem: why nothing is kept, or why it is not in the root's folder; empty if it is.
        ports: name of a part -> its port; likewise its `passwords`.
        secrets: "service parameter" -> a secret that was made up.
    """

    folder: Path | None
    problem: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def save(self) -> None:
        """Write the values; raises RunError if that fails."""
        if self.folder is None:
            return
        values = {"ports": self.ports, "passwords": self.passwords, "secrets": self.secrets}
        path = self.folder / _PRIVATE / _VALUES
        new = path.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            new.touch(mode=0o600)
            new.write_text(json.dumps(values, indent=2), encoding="utf-8")
            new.replace(path)
        except OSError as problem:
            raise RunError(f"{path} cannot be written: {problem.strerror}") from problem

    def remember_password(self, name: str, entry: Mapping[str, Any]) -> None:
        """Keep the password in a server's entry, or in its URL."""
        password = entry.get("password") or urlsplit(str(entry.get("url") or "")).password
        if password and self.passwords.get(name) != password:
            self.passwords[name] = unquote(password) if "password" not in entry else str(password)
            self.save()

    def data_folder(self, name: str) -> Path | None:
        """Returns the folder for a server's data, which exists; None if nothing is kept."""
        if self.folder is None:
            return None
        folder = self.folder / _DATA / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as problem:
            raise RunError(f"{folder} cannot be made: {problem.strerror}") from problem
        return folder


@contextlib.contextmanager
def kept_for(root: Path) -> Iterator[Kept]:
    """What runs keep whose first folder is `root`, for this run alone until the context ends."""
    with contextlib.ExitStack() as stack:
        try:
            kept = _open(root, stack)
        except _InUseError as problem:
            kept = Kept(None, f"{problem}: this one takes other ports and shares no data with it")
        yield kept


def remove_kept(root: Path) -> list[Path]:
    """Remove what runs have kept whose first folder is `root`; returns the removed folders.

    Raises RunError if a run uses them, or they cannot be removed.
    """
    removed = []
    for folder in _candidates(root):
        if not (folder / _PRIVATE).is_dir():
            continue
        try:
            with contextlib.ExitStack() as stack:
                _lock(folder / _PRIVATE / _LOCK, stack)
                for name in (_DATA, _PRIVATE):  # the lock last
                    if (folder / name).exists():
                        shutil.rmtree(folder / name)
                (folder / ".gitignore").unlink(missing_ok=True)
                folder.rmdir()
        except _InUseError as problem:
            raise RunError(f"{problem}. Stop it first") from None
        except OSError as problem:
            raise RunError(f"{problem.filename or folder} cannot be removed: {problem.strerror}") from problem
        removed.append(folder)
    return removed


class _InUseError(Exception):
    """Another run uses the folder."""


def _open(root: Path, stack: contextlib.ExitStack) -> Kept:
    problem = ""
    for folder in _candidates(root):
        try:
            _make(folder)
            _lock(folder / _PRIVATE / _LOCK, stack)
            values = _read(folder / _PRIVATE / _VALUES)
        except OSError as error:
            problem = problem or f"{folder} cannot be used ({error.strerror})"
            continue
        if problem:
            problem += f": what is kept is in {folder}"
        return Kept(folder, problem, *values)
    return Kept(None, f"{problem}: nothing is kept for the next run")


def _candidates(root: Path) -> tuple[Path, Path]:
    """The root's folder, and one of the user's for a root that cannot be written."""
    try:
        root = root.resolve()
    except (OSError, RuntimeError, ValueError) as problem:  # a link to itself, a NUL in the name
        raise RunError(f"{root} cannot be read: {problem}") from problem
    stated = os.environ.get("XDG_STATE_HOME", "")
    states = Path(stated) if stated.startswith("/") else Path("~/.local/state").expanduser()
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return root / FOLDER, states / "architect" / f"{root.name}-{digest}"


def _make(folder: Path) -> None:
    """Create what is missing. PostgreSQL does not run as root, and its account has to reach its data."""
    mode = 0o711 if os.geteuid() == 0 else 0o700
    folder.parent.mkdir(parents=True, exist_ok=True)
    for each, wanted in ((folder, mode), (folder / _DATA, mode), (folder / _PRIVATE, 0o700)):
        each.mkdir(exist_ok=True)
        each.chmod(wanted)
    (folder / ".gitignore").write_text("*\n")


def _lock(path: Path, stack: contextlib.ExitStack) -> None:
    """Lock a file until the context ends; raises _InUseError if another process has it."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    stack.callback(os.close, opened)
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(opened, 20, 0).decode(errors="replace").strip()
            if _is_alive(holder) or time.monotonic() > deadline:
                raise _InUseError(f"another run of the system (process {holder}) uses {path.parent.parent}") from None
            time.sleep(_POLL_SECONDS)
        except OSError:  # some network file systems have no locks
            break
    os.ftruncate(opened, 0)
    os.pwrite(opened, str(os.getpid()).encode(), 0)


def _is_alive(pid: str) -> bool:
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def _read(path: Path) -> tuple[dict[str, int], dict[str, str], dict[str, str]]:
    """The values of the last run; empty if there are none, or somebody has changed them to something else."""
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        values = {}
    found = values if isinstance(values, dict) else {}
    ports = {name: port for name, port in _mapping(found, "ports").items() if type(port) is int and 0 < port < 65536}
    passwords, secrets = (
        {name: text for name, text in _mapping(found, part).items() if isinstance(text, str) and text}
        for part in ("passwords", "secrets")
    )
    return ports, passwords, secrets


def _mapping(values: Mapping[str, object], name: str) -> dict[str, object]:
    part = values.get(name)
    return part if isinstance(part, dict) else {}
