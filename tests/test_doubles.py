"""A small application is tested with doubles of all its dependencies."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from flask import Flask, jsonify, request
from programs import write_grpc_service
from workspace import clean_environ

import architect.sdk as architect

PROTO = """syntax = "proto3";
message PayRequest { int32 amount = 1; }
message PayResponse { int32 output = 1; }
service Payments { rpc Pay (PayRequest) returns (PayResponse); }
"""
APPLICATION = '''
    """Reminds people of what they have not paid, and takes the money."""

    import sqlite3

    import architect.sdk as architect

    def remind(number):
        billing = architect.service("acme/billing").client
        if billing.get("/invoices/:number", path_params={"number": number}).json()["paid"]:
            return False
        with sqlite3.connect(architect.datastore("primary_db").name) as database:
            database.execute("CREATE TABLE IF NOT EXISTS reminded (number INTEGER)")
            database.execute("INSERT INTO reminded VALUES (?)", (number,))
        database.close()
        return all(each.ok for each in architect.notification("reminder_sent").publish({"invoice": number}))

    def pay(amount):
        payments = architect.service("acme/payments")
        return payments.client.Pay(payments.defs.PayRequest(amount=amount), timeout=5).output
'''
TESTS = """
    import os
    import sqlite3

    import pytest
    from pydantic import BaseModel

    import architect.sdk as architect
    from application import pay, remind

    class Reminder(BaseModel):
        invoice: int

    @pytest.mark.parametrize("number", range(4))
    def test_an_unpaid_invoice_is_reminded(architect_doubles, tmp_path, number):
        billing = architect_doubles.service("acme/billing", "rest", {f"GET /invoices/{number}": {"paid": False}})
        letters = architect_doubles.notification("reminder_sent", schema=Reminder)
        architect_doubles.datastore("primary_db", type="sqlite", name=str(tmp_path / "test.db"))
        assert remind(number)
        assert [each.path_url for each in billing.requests] == [f"/invoices/{number}"]
        assert letters.events == [{"invoice": number}]
        database = sqlite3.connect(tmp_path / "test.db")
        assert database.execute("SELECT number FROM reminded").fetchall() == [(number,)]
        database.close()

    def test_a_paid_invoice_is_not_reminded(architect_doubles):
        architect_doubles.service("acme/billing", "rest", {"GET /invoices/:number": {"paid": True}})
        assert not remind(7)

    @pytest.mark.parametrize("factor", range(4))
    def test_payments_take_the_money(architect_doubles, factor):
        class Payments:
            def Pay(self, request, context):
                return architect.service("acme/payments").defs.PayResponse(output=request.amount * factor)

        payments = architect_doubles.service("acme/payments", "grpc", Payments)
        assert pay(10) == 10 * factor
        assert [(rpc, message.amount) for rpc, message in payments.requests] == [("Pay", 10)]

    def test_nothing_real_is_reached(architect_doubles):
        assert "acme/billing" in os.environ["ARCHITECT"]
        with pytest.raises(architect.UnknownServiceError):
            remind(7)
"""
REAL = json.dumps({"acme/billing": {"host": "http://127.0.0.1", "port": 1, "api": "rest"}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's folder, with stubs of the payments service, and with tests."""
    tmp_path = tmp_path_factory.mktemp("project")
    write_grpc_service(tmp_path / "payments", "acme/payments", PROTO)
    folder = tmp_path / "client"
    for name in ("src", "tests"):
        (folder / name).mkdir()
    (folder / "src" / "application.py").write_text(textwrap.dedent(APPLICATION))
    (folder / "tests" / "test_application.py").write_text(textwrap.dedent(TESTS))
    return folder


def start_pytest(project: Path, cwd: Path, temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    # hypothesis's own plugin takes a second to load; a folder that runs share is cleaned by several at once
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", f"--basetemp={temporary}"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=cwd,
        env=clean_environ(PYTHONPATH=str(project / "src"), ARCHITECT=REAL, ARCHITECT_CURRENT_SERVICE="acme/real"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_an_application_is_tested_without_anything_that_it_depends_on_by_several_processes_at_once(project, tmp_path):
    """As pytest-xdist's workers do: the same tests in the same folder at the same time."""
    running = [start_pytest(project, project, tmp_path / name) for name in ("one", "other")]
    for process in running:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert "10 passed" in output


def test_the_tests_pass_from_wherever_they_are_started(project, tmp_path):
    with start_pytest(project, tmp_path, tmp_path / "temporary", str(project / "tests")) as process:
        output, _ = process.communicate(timeout=120)
    assert "10 passed" in output, output


@pytest.mark.parametrize(("status", "logged"), [(202, True), (503, False)])
def test_a_flask_application_stands_in_for_a_service(architect_doubles, status, logged):
    app = Flask("billing")
    stored = {}

    @app.put("/invoices/<number>")
    def put(number):
        stored[number] = request.get_json()
        answer = jsonify(stored[number])
        answer.set_cookie("session", "7")
        return answer

    @app.post("/upload")
    def upload():
        return request.stream.read()

    billing = architect_doubles.service("acme/billing", "rest", app)
    architect_doubles.notification("paid", subscribers={"acme/ledger": status})
    client = architect.service("acme/billing").client
    assert client.put("/invoices/7", json={"paid": True}).json() == {"paid": True} == stored["7"]
    assert client.cookies["session"] == "7"
    assert client.post("/upload", data=iter([b"one ", b"two"])).text == "one two"
    assert client.get("/nowhere").status_code == 404
    assert [each.path_url for each in billing.requests] == ["/invoices/7", "/upload", "/nowhere"]
    assert architect.notification("paid").publish({"number": 7})[0].ok is logged
