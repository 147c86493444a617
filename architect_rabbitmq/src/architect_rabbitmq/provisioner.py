"""Starts a RabbitMQ for `architect run --events rabbitmq`."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError

HOST = "127.0.0.1"
# Debian's program on the PATH changes the user and the folder; this is what it starts then
_PACKAGED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_FURTHER = ("/usr/local/sbin", "/usr/sbin", "/opt/homebrew/sbin")  # often not on the PATH
# the directory of nodes is in the session of the server, which would start a daemon if there was none
_SCRIPT = 'epmd & until epmd -names >/dev/null 2>&1; do sleep 0.05; done; exec "$0"'
_CONFIG = "rabbitmq.conf"
_LOGIN = {"username": "default_user", "password": "default_pass"}
_HELLO = b"AMQP\x00\x00\x09\x01"
_READY_SECONDS = 30.0


class RabbitProvisioner(DatastoreProvisioner):
    """Writes the configuration of a node of its own, with one user, which asks for a password."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """By default the user is "events".

        Raises:
            RunError: there is no server program.
        """
        return _provision(wanted, folder, port, _find_program())

    def provision_kept(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The same; the node in `folder` remains the same one, whatever its port, and so does its login.

        Raises:
            RunError: as `provision`, and if a newer version has written the data, or another login is wanted.
        """
        program = _find_program()
        _check_version(folder / "version", program)
        former = _former_login(folder)
        if former and any(former[key] != value for key, value in wanted.items() if key in former):
            raise RunError(
                f"the kept data of RabbitMQ in {folder} have another login. State the former one, or delete what is "
                "kept with `architect reset`"
            )
        return _provision({**wanted, **former}, folder, port, program)


def _provision(wanted: Mapping[str, str], folder: Path, port: int, program: Path) -> Provisioned:
    username, password = wanted.get("username", "events"), wanted.get("password") or secrets.token_urlsafe()
    config = folder / _CONFIG
    config.touch(mode=0o600)
    config.write_text(_config(username, password, port))
    (folder / "plugins").write_text("[].\n")
    (folder / "env.conf").touch()
    return Provisioned(
        entry={"url": f"amqp://{quote(username, safe='')}:{quote(password, safe='')}@{HOST}:{port}"},
        command=("/bin/sh", "-c", _SCRIPT, str(program)),
        env=_environ(folder),
        prepare=partial(_wait_until_ready, port),
    )


def _check_version(record: Path, program: Path) -> None:
    """Write the program's version to `record`; raises RunError if a newer one has written the data beside it."""
    version = _version(program)
    if not version:
        return
    former = record.read_text() if record.exists() else version
    if _numbers(former) > _numbers(version):
        raise RunError(
            f"the kept data of RabbitMQ in {record.parent} were written by version {former}, which {version} cannot "
            f"read. Install RabbitMQ {former}, or delete what is kept with `architect reset`"
        )
    record.write_text(version)


def _version(program: Path) -> str:
    """The version according to the folder of plugins beside the program; empty if that is elsewhere."""
    found = sorted(program.resolve().parent.parent.glob("plugins/rabbit-[0-9]*"))
    return found[-1].name.removeprefix("rabbit-").removesuffix(".ez") if found else ""


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2] if part.isdigit()]


def _wait_until_ready(port: int) -> None:
    """Wait until the server answers; it listens before, and closes connections."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as client:
            client.sendall(_HELLO)
            if client.recv(1):
                return
        time.sleep(0.05)
    raise RunError(f"RabbitMQ does not answer within {_READY_SECONDS:g} seconds")


def _find_program() -> Path:
    if _PACKAGED.is_file():
        found: str | None = str(_PACKAGED)
    else:
        found = shutil.which("rabbitmq-server") or shutil.which("rabbitmq-server", path=":".join(_FURTHER))
    if found and shutil.which("erl"):
        return Path(found)
    raise RunError(
        "RabbitMQ cannot be started: there is no rabbitmq-server, or no erl, on the PATH. Install RabbitMQ, state the "
        "URL of one that runs (--events amqp://user:password@host), or use a file: --events sqlite"
    )


def _config(username: str, password: str, port: int) -> str:
    lines = [
        f"listeners.tcp.1 = {HOST}:{port}",
        f"{_LOGIN['username']} = {username}",  # the first start creates the user
        f"{_LOGIN['password']} = {password}",
        "log.console = true",
        "log.console.level = warning",
        "log.file = false",
    ]
    return "".join(f"{line}\n" for line in lines)


def _former_login(folder: Path) -> dict[str, str]:
    """The login of the node whose data are in `folder`; empty if there is none yet."""
    config = folder / _CONFIG
    if not (config.exists() and (folder / "data").exists()):
        return {}
    former = dict(line.split(" = ", 1) for line in config.read_text().splitlines() if " = " in line)
    return {field: former[name] for field, name in _LOGIN.items() if name in former}


def _environ(folder: Path) -> dict[str, str]:
    """The variables of a node that shares nothing with another one of this machine, its ports included."""
    distribution, directory = _free_ports(2)
    return {
        "HOME": str(folder),  # of the cookie
        "RABBITMQ_NODENAME": "architect@localhost",  # in the data; the directory of nodes is its own
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_MNESIA_DIR": str(folder / "data" / "node"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(directory),
        "ERL_EPMD_ADDRESS": HOST,
    }


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in listeners]
    for each in listeners:
        each.close()
    return ports
