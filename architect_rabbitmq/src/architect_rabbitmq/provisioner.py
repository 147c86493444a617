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
_HELLO = b"AMQP\x00\x00\x09\x01"
_READY_SECONDS = 30.0


class RabbitProvisioner(DatastoreProvisioner):
    """Writes the configuration of a node of its own, with one user, which asks for a password."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """By default the user is "events".

        Raises:
            RunError: there is no server program.
        """
        username, password = wanted.get("username", "events"), wanted.get("password") or secrets.token_urlsafe()
        program = _find_program()
        config = folder / "rabbitmq.conf"
        config.touch(mode=0o600)
        config.write_text(_config(username, password, port))
        (folder / "plugins").write_text("[].\n")
        (folder / "env.conf").touch()
        return Provisioned(
            entry={"url": f"amqp://{quote(username, safe='')}:{quote(password, safe='')}@{HOST}:{port}"},
            command=("/bin/sh", "-c", _SCRIPT, str(program)),
            env=_environ(folder, port),
            prepare=partial(_wait_until_ready, port),
        )


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
        f"default_user = {username}",
        f"default_pass = {password}",
        "log.console = true",
        "log.console.level = warning",
        "log.file = false",
    ]
    return "".join(f"{line}\n" for line in lines)


def _environ(folder: Path, port: int) -> dict[str, str]:
    """The variables of a node that shares nothing with another one of this machine, its ports included."""
    distribution, directory = _free_ports(2)
    return {
        "HOME": str(folder),  # of the cookie
        "RABBITMQ_NODENAME": f"architect-{port}@localhost",
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
