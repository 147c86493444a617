"""A PostgreSQL server for one `architect run`."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore.postgres_account import choose_account
from architect_datastore.postgres_programs import find_programs
from architect_datastore.postgres_ready import wait_until_ready
from architect_datastore.wanted import wanted_password, wanted_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from architect_datastore.postgres_account import Account
    from architect_datastore.postgres_programs import PostgresPrograms

HOST = "127.0.0.1"
_OWNER = "postgres"  # the user that initdb makes; it cannot quote every name
_NAME_BYTES = 63
_SETTINGS = (
    "fsync=off",  # the data is thrown away after the run, so nothing waits for a disk
    "synchronous_commit=off",
    "full_page_writes=off",
    "password_encryption=scram-sha-256",
    "dynamic_shared_memory_type=mmap",  # in the data folder, which goes away even if the server is killed
)
_LOGINS = f"host all,replication all {HOST}/32 scram-sha-256\n"
_FOREIGN = ("PG", "LC_", "LANG", "TZ")  # variables of the user's environment that PostgreSQL would follow
_ENVIRON = {"LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "PGDATESTYLE": "ISO, MDY"}


class PostgresProvisioner(DatastoreProvisioner):
    """Makes a database cluster with one superuser and one database, reachable with a password on 127.0.0.1 alone."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The user is "postgres" unless asked for, and the database has the user's name, as in PostgreSQL's image.

        Raises:
            RunError: there is no server program, or what is asked for is not possible.
        """
        username = _wanted_name(wanted, "username", _OWNER)
        name = _wanted_name(wanted, "name", username)
        password = wanted_password(wanted, "PostgreSQL")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        environ |= {**_ENVIRON, "TZ": "UTC"}
        account = choose_account(folder)
        data = folder / "data"
        try:
            programs = find_programs(account, folder, environ)
            data.mkdir(mode=0o700)
            if account.ids:
                os.chown(data, *account.ids)
            _make_cluster(account, programs, data, environ)
            _make_login(account, programs, data, environ, _statements(username, password, name), password)
        except subprocess.TimeoutExpired as problem:
            reason = f"PostgreSQL's data cannot be made: nothing happened in {problem.timeout:.0f} seconds"
        except OSError as problem:
            reason = f"PostgreSQL's data cannot be made in {folder}: {problem.strerror or problem}"
        else:
            place = {"host": HOST, "port": port}
            return Provisioned(
                entry={"type": "postgres", **place, "username": username, "password": password, "name": name},
                command=(
                    *_server(programs, data),
                    *("-c", f"listen_addresses={HOST}", "-c", f"port={port}", "-c", "unix_socket_directories="),
                ),
                env={**_ENVIRON, "PGDATA": str(data), "PGPORT": str(port)},
                user=account.ids,
                stop_signal=signal.SIGINT,  # ends sessions instead of waiting for them
                prepare=partial(wait_until_ready, HOST, port, username, name),
            )
        raise RunError(reason)


def _wanted_name(wanted: Mapping[str, str], field: str, default: str) -> str:
    value = wanted_text(wanted, field, default, "PostgreSQL")
    if len(value.encode()) > _NAME_BYTES:
        raise RunError(f"the {field} asked for of PostgreSQL is longer than {_NAME_BYTES} bytes; give a shorter one")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise RunError(f"the {field} asked for of PostgreSQL has control characters; give one without")
    return value


def _make_cluster(account: Account, programs: PostgresPrograms, data: Path, environ: Mapping[str, str]) -> None:
    """Make the data of a server that lets nobody in but with a password."""
    command = (str(programs.initdb), "-D", str(data), "-U", _OWNER, "--auth=reject", "--encoding=UTF8", "--no-sync")
    told = ""
    for kind in ("C.UTF-8", "C"):  # the first knows upper and lower case beyond ASCII, and is not everywhere
        done = account.run((*command, "--locale=C", f"--lc-ctype={kind}"), data.parent, environ)
        if done.returncode == 0:
            (data / "pg_hba.conf").write_text(_LOGINS)
            return
        told = done.stderr.strip()
    raise RunError(f"PostgreSQL's data cannot be made; {programs.initdb} says: {told}")


def _make_login(
    account: Account,
    programs: PostgresPrograms,
    data: Path,
    environ: Mapping[str, str],
    statements: str,
    password: str,
) -> None:
    """Make the user and the database before the server listens: a single-user server reads statements as its input."""
    # an error ends it, and does not show the statement, which has the password
    strict = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    command = (*_server(programs, data, "--single"), *strict, _OWNER)
    done = account.run(command, data.parent, environ, statements)
    if done.returncode != 0:
        told = done.stderr.strip().replace(password, "***")
        raise RunError(f"PostgreSQL refuses the username or the name that is asked for; it says: {told}")


def _server(programs: PostgresPrograms, data: Path, *mode: str) -> tuple[str, ...]:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return (str(programs.postgres), *mode, "-D", str(data), *settings)


def _statements(username: str, password: str, name: str) -> str:
    """What makes the user and the database, one statement a line."""
    verb = "ALTER" if username == _OWNER else "CREATE"
    login = f"{verb} ROLE {_identifier(username)} SUPERUSER LOGIN PASSWORD {_literal(password)}\n"
    if name == _OWNER:  # initdb made a database of that name too
        return login
    return f"{login}CREATE DATABASE {_identifier(name)} OWNER {_identifier(username)}\n"


def _identifier(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _literal(text: str) -> str:
    """A literal on one line, because a line's end would end the statement."""
    for character, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f"E'{text}'"
