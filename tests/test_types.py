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


SHAPES = """syntax = "proto3";
package shapes;
import "google/protobuf/timestamp.proto";
import "google/protobuf/descriptor.proto";
option py_generic_services = true;
extend google.protobuf.FieldOptions { string note = 50099; }
message Line { int64 units = 1; string str = 2; string other = 3; bytes int = 4; map<string, Line> parts = 5;
               google.protobuf.Timestamp datetime = 6; google.protobuf.Timestamp then = 7; }
message Order { int32 from = 1; Line line = 2; repeated Line lines = 3; google.protobuf.Timestamp at = 4; None none = 5;
                True kind = 6; oneof choice { int32 n = 7; Line other = 8; } }
message None { int32 n = 1; message class { bool in = 1; } class inner = 2; }
enum True { import = 0; ONE = 1; }
service Shop {
  rpc Buy (Order) returns (Line);
  rpc Watch (Order) returns (stream Line);
  rpc Upload (stream Order) returns (Line);
  rpc Chat (stream Order) returns (stream Line);
  rpc import (Order) returns (Line);
  rpc Nothing (.shapes.None) returns (.shapes.None.class);
}
service Closed {}
"""
SYNC = """
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import grpc
from architect_services.acme.shop.service_pb2 import Line, None_, ONE, Order
from architect_services.acme.shop.service_pb2_grpc import (
    ClosedServicer, ClosedStub, ShopServicer, ShopStub, add_ShopServicer_to_server,
)

class Shop(ShopServicer):
    def Buy(self, request: Order, context: grpc.ServicerContext) -> Line:
        context.set_code(grpc.StatusCode.OK)
        return Line(units=request.line.units)
    def Watch(self, request: Order, context: grpc.ServicerContext) -> Iterator[Line]:
        yield request.line
    def Upload(self, request_iterator: Iterator[Order], context: grpc.ServicerContext) -> Line:
        return Line(units=sum(order.line.units for order in request_iterator))
    def Chat(self, request_iterator: Iterator[Order], context: grpc.ServicerContext) -> Iterator[Line]:
        for order in request_iterator:
            yield order.line

add_ShopServicer_to_server(Shop(), grpc.server(ThreadPoolExecutor()))
stub = ShopStub(grpc.insecure_channel("localhost:1"))
order = Order(line=Line(units=1, str="x", int=b""), at=datetime.now(), none={"n": 1}, kind=ONE, lines=[{"units": 2}])
setattr(order, "from", 3)
line = stub.Buy(order, timeout=1)
future: Line = stub.Buy.future(order).result()
line, call = stub.Buy.with_call(order)
code: grpc.StatusCode = call.code()
units: list[int] = [each.units for each in stub.Watch(order)]
line = stub.Upload(iter([order]))
texts: list[str] = [each.other for each in stub.Chat(iter([order]))]
none: None_ = order.none
ClosedStub(grpc.insecure_channel("localhost:1")), ClosedServicer()
"""
AIO = """
from collections.abc import AsyncIterator

import grpc
import grpc.aio
from architect_services.acme.shop.service_pb2 import Line, Order
from architect_services.acme.shop.service_pb2_grpc import (
    ShopAsyncStub, ShopServicer, ShopStub, add_ShopServicer_to_server,
)

Context = grpc.aio.ServicerContext[Order, Line]

class Shop(ShopServicer):
    async def Buy(self, request: Order, context: Context) -> Line:
        await context.send_initial_metadata(())
        return request.line
    async def Watch(self, request: Order, context: Context) -> AsyncIterator[Line]:
        yield request.line
    async def Upload(self, request_iterator: AsyncIterator[Order], context: Context) -> Line:
        return Line(units=sum([order.line.units async for order in request_iterator]))
    async def Chat(self, request_iterator: AsyncIterator[Order], context: Context) -> None:
        async for order in request_iterator:
            await context.write(order.line)

async def main() -> None:
    add_ShopServicer_to_server(Shop(), grpc.aio.server())
    async with grpc.aio.insecure_channel("localhost:1") as channel:
        stub: ShopAsyncStub = ShopStub(channel)
        line: Line = await stub.Buy(Order(), timeout=1)
        code: grpc.StatusCode = await stub.Buy(Order()).code()
        units: list[int] = [each.units async for each in stub.Watch(Order())]
        line = await stub.Upload(iter([Order()]))
        chat = stub.Chat()
        await chat.write(Order())
        await chat.done_writing()
        texts: list[str] = [each.other async for each in chat]
"""
SHAPES_MISTAKES = {
    SYNC + "text: str = line.units": 'expression has type "int", variable has type "str"',
    SYNC + "Order(lines=3)": 'Argument "lines" to "Order" has incompatible type "int"',
    SYNC + "stub.Watch(order).units": 'has no attribute "units"',
    SYNC + "class Wrong(ShopServicer):\n    def Buy(self, request: Line, context: object) -> Line: return request": (
        'Argument 1 of "Buy" is incompatible with supertype'
    ),
    AIO + "        stub.Buy(Order()).units": 'has no attribute "units"',
    AIO + "        texts = await stub.Buy(Order())": 'expression has type "Line", variable has type "list[str]"',
}


def test_mypy_accepts_generated_stubs_of_any_names_and_what_uses_them_with_and_without_asyncio(tmp_path):
    write_grpc_service(tmp_path / "shop", "acme/shop", SHAPES)
    files = {text: f"program_{number}.py" for number, text in enumerate([SYNC, AIO, *SHAPES_MISTAKES])}
    for text, file in files.items():
        (tmp_path / "client" / file).write_text(f"{text}\n")
    with contextlib.chdir(tmp_path / "client"):
        output, problems, _ = mypy.api.run(["--strict", "--config-file=", *files.values()])
    assert not problems
    found = [line for line in output.splitlines() if " error: " in line]
    for text, message in SHAPES_MISTAKES.items():
        (problem,) = [each for each in found if each.startswith(f"{files[text]}:")]
        assert message in problem
        found.remove(problem)
    assert not found
