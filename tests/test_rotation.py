"""A rotated password is used without a restart, and running calls are not interrupted."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest

import architect.sdk as architect


@pytest.fixture(autouse=True)
def forget():
    architect.reset()  # another test may have left a resolver
    yield
    architect.reset()


@pytest.fixture
def secret(tmp_path, postgres, monkeypatch):
    """Changes the password of a PostgreSQL user, and then the file that the configuration points to."""

    def rotate(password):
        with psycopg.connect(**connection(postgres | {"password": current[0]}), autocommit=True) as session:
            session.execute(psycopg.sql.SQL("ALTER USER app PASSWORD {}").format(psycopg.sql.Literal(password)))
        current[0] = password
        new = tmp_path / "new"
        new.write_text(password)
        new.replace(tmp_path / "password")

    current = [postgres["password"]]
    (tmp_path / "password").write_text(current[0])
    entry = postgres | {"type": "postgres", "password": {"$file": str(tmp_path / "password")}}
    monkeypatch.setenv("ARCHITECT", json.dumps({"acme/shop": {"api": None, "datastores": {"db": entry}}}))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/shop")
    yield rotate
    rotate(postgres["password"])


def connection(db):
    fields = {"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "name"}
    return {key: db[field] for key, field in fields.items()}


def test_after_a_password_changes_and_is_reloaded_no_connection_fails(secret):
    reloaded = threading.Event()
    architect.on_change(lambda changes: reloaded.set() if "db" in changes.datastores else None)
    stop, failures, made = threading.Event(), [], []
    open_before = psycopg.connect(**connection(architect.datastore("db")))

    def work():
        while not stop.is_set():
            was_reloaded = reloaded.is_set()
            try:
                with psycopg.connect(**connection(architect.datastore("db"))) as session:
                    assert session.execute("SELECT 1").fetchone() == (1,)
                made.append(was_reloaded)
            except psycopg.OperationalError as problem:
                if was_reloaded:  # before the reload, the new password is unknown
                    failures.append(problem)
                time.sleep(0.01)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with architect.watch(0.02):
        for thread in threads:
            thread.start()
        secret("another: p@ss/word?")
        assert reloaded.wait(10)
        after = len(made)
        while len(made) < after + 20:
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert made.count(True) > 10
    assert open_before.execute("SELECT 1").fetchone() == (1,)  # a connection stays open
    open_before.close()


class Slow(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.started.set()
        self.server.go_on.wait(10)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, format, *args):
        """Stay quiet."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.started, server.go_on = threading.Event(), threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


def test_a_running_call_succeeds_although_its_service_moves(server, tmp_path, monkeypatch):
    def write(port):
        entry = {"host": "127.0.0.1", "port": port, "api": "rest"}
        (tmp_path / "services.json").write_text(json.dumps({"acme/billing": entry}))

    write(server.server_address[1])
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.json"))
    client = architect.service("acme/billing").client
    answers = []
    thread = threading.Thread(target=lambda: answers.append(client.get("/").text))
    thread.start()
    assert server.started.wait(10)
    write(1)
    assert architect.reload(drain=0.1).services == {"acme/billing"}
    assert architect.service("acme/billing").client is not client
    time.sleep(0.3)  # the former client has been closed
    server.go_on.set()
    thread.join()
    assert answers == ["done"]
