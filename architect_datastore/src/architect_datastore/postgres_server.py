"""Starts a PostgreSQL server for `architect run`."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from architect_core.contract import MASK, DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore.postgres_programs import Account, PostgresPrograms, choose_account, find_programs
from architect_datastore.provisioning import wanted_password, wanted_text

HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_OWNER = "postgres"  # initdb creates it; it cannot quote every name
_NAME_BYTES = 63
_SETTINGS = (
    "fsync=off",  # the data is deleted after the run; what was committed survives a killed server, not the machine
    "full_page_writes=off",
    "password_encryption=scram-sha-256",
    "dynamic_shared_memory_type=mmap",  # in the data folder, which is deleted even if the server was killed
)
_LOGINS = f"host all,replication all {HOST}/32 scram-sha-256\n"
_FOREIGN = ("PG", "LC_", "LANG", "TZ")  # variables of the user's environment that PostgreSQL reads
_ENVIRON = {"LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "PGDATESTYLE": "ISO, MDY"}


class PostgresProvisioner(DatastoreProvisioner):
    """Creates a cluster with one superuser and one database, that listens on 127.0.0.1 and asks for a password."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """By default the user is "postgres", and the database has the user's name, as in PostgreSQL's image.

        Raises:
            RunError: there is no server program, or a wanted value is not possible.
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
            _create_cluster(account, programs, data, environ)
            _create_login(account, programs, data, environ, _statements(username, password, name), password)
        except subprocess.TimeoutExpired as problem:
            # neither error has the password, which the programs read as their input
            raise RunError(f"PostgreSQL's data cannot be created in {problem.timeout:.0f} seconds") from None
        except OSError as problem:
            raise RunError(f"PostgreSQL's data cannot be created in {folder}: {problem.strerror or problem}") from None
        login = {"username": username, "password": password, "name": name}
        return Provisioned(
            entry={"type": "postgres", "host": HOST, "port": port, **login},
            command=(
                *_server(programs, data),
                *("-c", f"listen_addresses={HOST}", "-c", f"port={port}", "-c", "unix_socket_directories="),
            ),
            env={**_ENVIRON, "PGDATA": str(data), "PGPORT": str(port)},
            user=account.ids,
            stop_signal=signal.SIGINT,  # ends sessions instead of waiting for them
            prepare=partial(_wait_until_ready, port, username, name),
        )


def _wanted_name(wanted: Mapping[str, str], field: str, default: str) -> str:
    value = wanted_text(wanted, field, default, "PostgreSQL")
    if len(value.encode()) > _NAME_BYTES:
        raise RunError(f"the {field} for PostgreSQL is longer than {_NAME_BYTES} bytes; give a shorter one")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise RunError(f"the {field} for PostgreSQL has control characters; give one without")
    return value


def _create_cluster(account: Account, programs: PostgresPrograms, data: Path, environ: Mapping[str, str]) -> None:
    """Creates the data of a server that asks everybody for a password."""
    command = (str(programs.initdb), "-D", str(data), "-U", _OWNER, "--auth=reject", "--encoding=UTF8", "--no-sync")
    output = ""
    for kind in ("C.UTF-8", "C"):  # the first has upper and lower case beyond ASCII, but not every system has it
        done = account.run((*command, "--locale=C", f"--lc-ctype={kind}"), data.parent, environ)
        if done.returncode == 0:
            (data / "pg_hba.conf").write_text(_LOGINS)
            return
        output = done.stderr.strip()
    raise RunError(f"PostgreSQL's data cannot be created; {programs.initdb} says: {output}")


def _create_login(
    account: Account, programs: PostgresPrograms, data: Path, environ: Mapping[str, str], statements: str, password: str
) -> None:
    """Creates the user and the database before the server listens, by the input of a single-user server."""
    # an error ends it, and does not print the statement, which has the password
    strict = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    command = (*_server(programs, data, "--single"), *strict, _OWNER)
    done = account.run(command, data.parent, environ, statements)
    if done.returncode != 0:
        output = done.stderr.strip().replace(password, MASK)
        raise RunError(f"PostgreSQL refuses the username or the name; it says: {output}")


def _server(programs: PostgresPrograms, data: Path, *mode: str) -> tuple[str, ...]:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    return (str(programs.postgres), *mode, "-D", str(data), *settings)


def _statements(username: str, password: str, name: str) -> str:
    """Returns the statements that create the user and the database, each on a line of its own."""
    verb = "ALTER" if username == _OWNER else "CREATE"
    login = f"{verb} ROLE {_identifier(username)} SUPERUSER LOGIN PASSWORD {_literal(password)}\n"
    if name == _OWNER:  # initdb has created that database, too
        return login
    return f"{login}CREATE DATABASE {_identifier(name)} OWNER {_identifier(username)}\n"


def _identifier(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def _literal(text: str) -> str:
    """Returns a literal on one line, as the end of a line ends the statement."""
    for character, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f"E'{text}'"


def _wait_until_ready(port: int, username: str, name: str) -> None:
    """Waits until the server asks for a password, which it does some time after it listens.

    A server that is starting up answers with an error (https://www.postgresql.org/docs/current/protocol-flow.html).

    Raises:
        RunError: the server has ended, or is not ready after 30 seconds.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if _asks_for_password(port, username, name):
                return
        except ConnectionRefusedError:
            raise RunError(f"PostgreSQL ended on {HOST}:{port} before it accepted logins") from None
        except OSError:  # the connection broke: the server may be about to end
            pass
        time.sleep(_POLL_SECONDS)
    raise RunError(f"PostgreSQL listens on {HOST}:{port} and accepts no logins after {_READY_SECONDS:.0f} seconds")


def _asks_for_password(port: int, username: str, name: str) -> bool:
    fields = b"".join(f"{text}\0".encode() for text in ("user", username, "database", name))
    message = struct.pack("!i", 3 << 16) + fields + b"\0"
    with socket.create_connection((HOST, port), timeout=_READY_SECONDS) as connection:
        connection.sendall(struct.pack("!i", 4 + len(message)) + message)
        # reads all: unread data would reset the connection, and the server would log an error
        return connection.recv(4096).startswith(b"R")
