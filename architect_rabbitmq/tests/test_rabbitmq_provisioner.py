"""The RabbitMQ that `architect run --events rabbitmq` starts."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest

from architect_core.exceptions import RunError
from architect_rabbitmq import provisioner
from architect_rabbitmq.provisioner import RabbitProvisioner

PATIENCE = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """A provisioned server, in a session of its own, as `architect run` has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.provisioned = RabbitProvisioner().provision({}, folder, self.port)
        self.url = self.provisioned.entry["url"]

    def start(self) -> None:
        assert self.provisioned.command is not None
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                self.provisioned.command,
                env={**os.environ, **self.provisioned.env},
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            assert self.process.poll() is None, (self.folder / "output").read_text()
            assert time.monotonic() < deadline, (self.folder / "output").read_text()
            time.sleep(0.1)
        assert self.provisioned.prepare is not None
        self.provisioned.prepare()

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while any(str(self.folder) in each for each in environments()):
            assert time.monotonic() < deadline, "a process of RabbitMQ is left"
            time.sleep(0.1)


def environments() -> Iterator[str]:
    """The environments of all living processes."""
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            yield process.read_text(errors="replace")
        except OSError:
            continue


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        one = Server(tmp_path_factory.mktemp("rabbitmq"))
    except RunError as problem:
        if "there is no rabbitmq-server, or no erl" not in str(problem):
            raise
        pytest.skip(str(problem))
    one.start()
    yield one
    one.stop()


async def keep(url: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"a letter", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue.name, mandatory=True)


def test_it_takes_the_login_of_its_entry_and_no_other(server):
    asyncio.run(keep(server.url))
    password = urlsplit(server.url).password
    for login in ("events:guessed", "guest:guest"):
        with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
            asyncio.run(keep(server.url.replace(f"events:{password}", login)))
    assert password not in repr(server.provisioned)


def test_without_the_program_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(provisioner, "_PACKAGED", tmp_path / "missing")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(RunError, match="there is no rabbitmq-server, or no erl, on the PATH"):
        RabbitProvisioner().provision({}, tmp_path, 5999)
