"""The data of a PostgreSQL server, with its user and its database, which are created before the server listens."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from architect_core.contract import MASK
from architect_core.exceptions import RunError
from architect_datastore.postgres_programs import Account, PostgresPrograms, choose_account, find_programs

OWNER = "postgres"  # initdb creates it; it cannot quote every name
ENVIRON = {"LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "PGDATESTYLE": "ISO, MDY"}
_FOREIGN = ("PG", "LC_", "LANG", "TZ")  # variables of the user's environment that PostgreSQL reads
_SETTINGS = (
    "password_encryption=scram-sha-256",
    "dynamic_shared_memory_type=mmap",  # in the data folder, which is deleted even if the server was killed
)
_LOGINS = "host all,replication all 127.0.0.1/32 scram-sha-256\n"
_LOCK = "postmaster.pid"
_EXISTS = 'found = "yes"'
_IN_USE = "is still in use"  # by processes of a killed server, which end by themselves
_RELEASE_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Login:
    """A superuser with its password, and a database that it owns."""

    username: str
    password: str = field(repr=False)
    name: str


@dataclass(frozen=True)
class Cluster:
    """A cluster in the subfolder "data" of `folder`, complete or absent; `settings` are further ones of the server."""

    folder: Path
    settings: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def prepare(self, login: Login) -> tuple[tuple[str, ...], Account]:
        """Create what is missing; returns the command of the server, and the account that runs it.

        Raises:
            OSError: a file cannot be written or a program not be started.
            subprocess.TimeoutExpired: a program takes too long.
            RunError: there is no program for the data, or PostgreSQL refuses the login.
        """
        environ = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        environ |= {**ENVIRON, "TZ": "UTC"}
        account = choose_account(self.folder)
        programs = find_programs(account, self.folder, environ, self._version())
        if self.data.exists():
            _remove_stale_lock(self.data)
            _update_login(_SingleUser(account, self._command(programs, self.data, "--single"), environ), login)
        else:
            self._create(account, programs, environ, login)
        return self._command(programs, self.data), account

    def _create(self, account: Account, programs: PostgresPrograms, environ: Mapping[str, str], login: Login) -> None:
        new = self.data.with_name("data.new")
        if new.exists():  # of a call that was killed
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        if account.ids:
            os.chown(new, *account.ids)
        _create_cluster(account, programs, new, environ)
        single = _SingleUser(account, self._command(programs, new, "--single"), environ)
        single.run([_role("ALTER" if login.username == OWNER else "CREATE", login), *_database(login)], login.password)
        new.rename(self.data)

    def _version(self) -> str | None:
        """The major version that has written the data, or None if there are none yet."""
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "PG_VERSION").read_text().strip()
        return None

    def _command(self, programs: PostgresPrograms, data: Path, *mode: str) -> tuple[str, ...]:
        settings = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        return (str(programs.postgres), *mode, "-D", str(data), *settings)


@dataclass(frozen=True)
class _SingleUser:
    """A server that runs statements from its input and ends."""

    account: Account
    command: Sequence[str]
    environ: Mapping[str, str]

    def run(self, statements: Sequence[str], password: str) -> str:
        """Run statements, each on a line of its own; returns the output. Raises RunError if one fails."""
        # an error ends it, and does not print the statement, which has the password
        strict = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
        text = "".join(f"{statement}\n" for statement in statements)
        deadline = time.monotonic() + _RELEASE_SECONDS
        while True:
            done = self.account.run((*self.command, *strict, OWNER), Path("/"), self.environ, text)
            if done.returncode == 0:
                return done.stdout
            if _IN_USE not in done.stderr or time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        output = done.stderr.strip().replace(_literal(password), MASK).replace(password, MASK)
        raise RunError(f"PostgreSQL refuses the username or the name, or cannot start; it says: {output}")


def _create_cluster(account: Account, programs: PostgresPrograms, data: Path, environ: Mapping[str, str]) -> None:
    """Creates the data of a server that asks everybody for a password."""
    # the system writes the files to the disk within seconds, in which they hold nothing of value yet
    command = (str(programs.initdb), "-D", str(data), "-U", OWNER, "--auth=reject", "--encoding=UTF8", "--no-sync")
    output = ""
    for kind in ("C.UTF-8", "C"):  # the first has upper and lower case beyond ASCII, but not every system has it
        done = account.run((*command, "--locale=C", f"--lc-ctype={kind}"), data.parent, environ)
        if done.returncode == 0:
            (data / "pg_hba.conf").write_text(_LOGINS)
            return
        output = done.stderr.strip()
    raise RunError(f"PostgreSQL's data cannot be created; {programs.initdb} says: {output}")


def _update_login(single: _SingleUser, login: Login) -> None:
    """Creates the user and the database where they do not exist yet, and sets the password."""
    known = f"EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(login.username)})"
    set_role = f"BEGIN IF {known} THEN {_role('ALTER', login)}; ELSE {_role('CREATE', login)}; END IF; END"
    database = f"SELECT 'yes' AS found FROM pg_database WHERE datname = {_literal(login.name)}"  # noqa: S608 - quoted
    found = single.run([f"DO {_literal(set_role)}", database], login.password)
    if _EXISTS not in found:
        single.run(_database(login), login.password)


def _role(verb: str, login: Login) -> str:
    return f"{verb} ROLE {_identifier(login.username)} SUPERUSER LOGIN PASSWORD {_literal(login.password)}"


def _database(login: Login) -> list[str]:
    if login.name == OWNER:  # initdb has created that database, too
        return []
    return [f"CREATE DATABASE {_identifier(login.name)} OWNER {_identifier(login.username)}"]


def _identifier(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _literal(text: str) -> str:
    """Returns a literal on one line, as the end of a line ends the statement."""
    for character, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f"E'{text}'"


def _remove_stale_lock(data: Path) -> None:
    """Removes the lock of a killed server, if its process is a zombie, or its id is that of another program by now.

    PostgreSQL itself only checks whether there is a process with the id, and would end.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((data / _LOCK).read_text().split()[0])
        command = ("ps", "-o", "stat=", "-o", "comm=", "-p", str(pid))
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of POSIX
        state, _, name = found.stdout.strip().partition(" ")
        if state.startswith("Z") or "postgres" not in name:
            (data / _LOCK).unlink()
