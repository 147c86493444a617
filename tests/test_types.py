"""Type checkers understand what is installed and what is generated."""

from __future__ import annotations

import subprocess
import sys

import pytest
from programs import write_grpc_service
from workspace import clean_environ

PROGRAM = """
import architect.sdk as architect
from architect_services.acme.payments import service_pb2
from architect_services.acme.payments.service_pb2_grpc import PaymentsStub

client: PaymentsStub = architect.service("acme/payments").client
answer = client.Pay(service_pb2.PayRequest(amount=10))
output: int = answer.output
credentials = architect.datastore("primary_db")
port: int | None = credentials.port
for delivery in architect.notification("order_placed").publish({}):
    status: int | None = delivery.status
"""
PROTO = """syntax = "proto3";
message PayRequest { int32 amount = 1; }
message PayResponse { int32 output = 1; }
service Payments { rpc Pay (PayRequest) returns (PayResponse); }
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", None),
        ("text: str = answer.output", 'expression has type "int", variable has type "str"'),
        ("client.Refund", '"PaymentsStub" has no attribute "Refund"'),
        ("architect.service(7)", 'expected "str"'),
    ],
)
def test_mypy_accepts_right_programs_and_refuses_wrong_ones(tmp_path, line, found):
    write_grpc_service(tmp_path / "payments", "acme/payments", PROTO)
    (tmp_path / "client" / "main.py").write_text(f"{PROGRAM}{line}\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "main.py"]
    done = subprocess.run(
        command, cwd=tmp_path / "client", env=clean_environ(), capture_output=True, text=True, timeout=120, check=False
    )
    own = [problem for problem in done.stdout.splitlines() if problem.startswith("main.py") and " error: " in problem]
    if found is None:
        assert own == [], done.stdout
    else:
        assert len(own) == 1, done.stdout
        assert found in own[0]
