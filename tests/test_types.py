"""Type checkers understand the SDK and generated stubs."""

from __future__ import annotations

import contextlib

import mypy.api
from programs import write_grpc_service

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


MISTAKES = {
    "text: str = answer.output": 'expression has type "int", variable has type "str"',
    "client.Refund": '"PaymentsStub" has no attribute "Refund"',
    "architect.service(7)": 'expected "str"',
}


def test_mypy_accepts_a_correct_program_and_reports_each_mistake(tmp_path):
    write_grpc_service(tmp_path / "payments", "acme/payments", PROTO)
    files = {line: f"program_{number}.py" for number, line in enumerate(["", *MISTAKES])}
    for line, file in files.items():
        (tmp_path / "client" / file).write_text(f"{PROGRAM}{line}\n")
    with contextlib.chdir(tmp_path / "client"):
        output, problems, _ = mypy.api.run(["--strict", "--config-file=", *files.values()])
    assert not problems
    found = [line for line in output.splitlines() if " error: " in line]
    assert not [problem for problem in found if problem.startswith(files[""])]
    for line, message in MISTAKES.items():
        (problem,) = [each for each in found if each.startswith(files[line])]
        assert message in problem
