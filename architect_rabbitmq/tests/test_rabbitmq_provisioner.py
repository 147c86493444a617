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
        self.provision()

    def provision(self, **wanted: str) -> None:
        self.port = free_port()
        self.provisioned = RabbitProvisioner().provision_kept(wanted, self.folder, self.port)
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
        self.end(signal.SIGTERM)

    def end(self, number: int) -> None:
        os.killpg(self.process.pid, number)
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
        one = Server(tmp_path_factory.mktemp("what? #1 100%"))
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


async def kept(url: str) -> bytes:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        message = await (await channel.get_queue("kept")).get(no_ack=True, timeout=PATIENCE)
        return message.body


def test_it_takes_the_login_of_its_entry_and_no_other(server):
    asyncio.run(keep(server.url))
    password = urlsplit(server.url).password
    for login in ("events:guessed", "guest:guest"):
        with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
            asyncio.run(keep(server.url.replace(f"events:{password}", login)))
    assert password not in repr(server.provisioned)


@pytest.mark.exhaustive  # RabbitMQ starts within some seconds
def test_kept_data_survive_sigkill_with_their_login_and_have_the_port_of_the_next_start(server):
    asyncio.run(keep(server.url))
    time.sleep(3)  # RabbitMQ notes twice a second which quorum queues it has, and loses one that is newer
    former, password = server.port, urlsplit(server.url).password
    server.end(signal.SIGKILL)
    with pytest.raises(RunError, match="have another login"):
        server.provision(password="another")
    server.provision()
    assert (server.port != former, urlsplit(server.url).password) == (True, password)
    server.start()
    assert asyncio.run(kept(server.url)) == b"a letter"


def test_data_of_a_newer_version_are_refused_with_what_to_do(server, tmp_path):
    (tmp_path / "version").write_text("99.1.0")
    with pytest.raises(
        RunError, match=r"written by version 99\.1\.0, which .* cannot read\. Install RabbitMQ 99\.1\.0, or"
    ):
        RabbitProvisioner().provision_kept({}, tmp_path, 5999)


def test_without_the_program_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(provisioner, "_PACKAGED", tmp_path / "missing")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(RunError, match="there is no rabbitmq-server, or no erl, on the PATH"):
        RabbitProvisioner().provision({}, tmp_path, 5999)
