"""Starts a PostgreSQL server for `architect run`."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore.postgres_cluster import ENVIRON, OWNER, Cluster, Login
from architect_datastore.provisioning import wanted_password, wanted_text

HOST = "127.0.0.1"
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_NAME_BYTES = 63
_TRANSIENT = ("fsync=off", "full_page_writes=off")  # what was committed survives a killed server, not the machine


class PostgresProvisioner(DatastoreProvisioner):
    """Creates a cluster with one superuser and one database, that listens on 127.0.0.1 and asks for a password."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """By default the user is "postgres", and the database has the user's name, as in PostgreSQL's image.

        Raises:
            RunError: there is no server program, or a wanted value is not possible.
        """
        return _provision(Cluster(folder, _TRANSIENT), wanted, port)

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The same with the settings for data that must last. Users and databases of earlier calls remain.

        Raises:
            RunError: as `provision`, and if no program has the major version that has written the data.
        """
        return _provision(Cluster(folder), wanted, port)


def _provision(cluster: Cluster, wanted: Mapping[str, str], port: int) -> Provisioned:
    username = _wanted_name(wanted, "username", OWNER)
    name = _wanted_name(wanted, "name", username)
    password = wanted_password(wanted, "PostgreSQL")
    try:
        command, account = cluster.prepare(Login(username, password, name))
    except subprocess.TimeoutExpired as problem:
        # neither error has the password, which the programs read as their input
        raise RunError(f"PostgreSQL's data cannot be created in {problem.timeout:.0f} seconds") from None
    except OSError as problem:
        reason = problem.strerror or problem
        raise RunError(f"PostgreSQL's data cannot be created in {cluster.folder}: {reason}") from None
    return Provisioned(
        entry={
            "type": "postgres",
            "host": HOST,
            "port": port,
            "username": username,
            "password": password,
            "name": name,
        },
        command=(*command, *("-c", f"listen_addresses={HOST}", "-c", f"port={port}", "-c", "unix_socket_directories=")),
        env={**ENVIRON, "PGDATA": str(cluster.data), "PGPORT": str(port)},
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
