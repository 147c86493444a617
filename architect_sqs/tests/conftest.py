"""A server of SNS and SQS for the whole session, and names that each test has for itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from sqs_tools import Cloud

import architect.sdk


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("ARCHITECT", "AWS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield
    architect.sdk.reset()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of the server."""
    if not (find_spec("ministack") and find_spec("hypercorn")):
        pytest.skip("there is no server of SNS and SQS: pip install ministack hypercorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "output.txt").open("w+b") as output:
        environ = {**os.environ, "SERVICES": "sqs,sns", "LOG_LEVEL": "WARNING"}
        command = [
            sys.executable,
            "-m",
            "hypercorn",
            "--workers",
            "0",
            "--bind",
            f"127.0.0.1:{port}",
            "ministack.app:app",
        ]
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(port, process, Path(folder) / "output.txt")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # it would wait for long polls
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"ministack did not start: {output.read_text()}")


@pytest.fixture
def cloud(server: str) -> Cloud:
    """The server, with a prefix of names of this test's own."""
    return Cloud(server, f"t{uuid4().hex[:12]}")
