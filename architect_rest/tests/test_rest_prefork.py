"""A client that a server used before it forked its workers works in all of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

pytest.importorskip("gunicorn.app.wsgiapp", reason="gunicorn runs where there is fork, and is not installed here")

APP = """
import os
import architect.sdk as architect

client = architect.service("acme/billing").client
before = client.get("/x").json()["connection"]  # the port that the parent's connection is from

def app(environ, start_response):
    asked = client.get("/x").json()
    body = f"{os.getpid()} {asked['connection']} {before}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def gunicorn(server, tmp_path):
    """Where gunicorn serves the application, with three workers that it forks when the application is loaded."""
    (tmp_path / "application.py").write_text(APP)
    entry = {"acme/billing": {"host": "127.0.0.1", "port": server.port, "api": "rest"}}
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--bind", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "application:app"],
        cwd=tmp_path,
        env={**os.environ, "ARCHITECT": json.dumps(entry)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    url = next(found[1] for line in process.stderr if (found := re.search(r"Listening at: (\S+)", line)))
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    reader.join()
    process.stderr.close()


def test_every_worker_calls_with_a_client_that_the_parent_has_used(gunicorn):
    def ask(_):
        response = requests.get(gunicorn, timeout=10)
        response.raise_for_status()
        return response.text.split()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(120)))
    workers = {process for process, *_ in answers}
    connections = {
        connection: {process for process, each, _ in answers if each == connection} for _, connection, _ in answers
    }
    assert len(workers) >= 2
    assert all(len(processes) == 1 for processes in connections.values())  # no two share a connection
    assert not any(connection == before for _, connection, before in answers)
