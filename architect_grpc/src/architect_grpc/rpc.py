"""The rpcs of a service, as its descriptor tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message


@dataclass(frozen=True)
class Rpc:
    """One rpc.

    Attributes:
        name: as in the definitions.
        kind: grpc's word for what streams: "unary_unary", "unary_stream", "stream_unary" or "stream_stream".
        path: what it is called by on the wire.
        request: the class of what is sent.
        response: the class of what is answered.
        idempotent: whether the definitions say that it may be done twice (`option idempotency_level`).
    """

    name: str
    kind: str
    path: str
    request: type[Message]
    response: type[Message]
    idempotent: bool = False


@dataclass(frozen=True)
class RpcService:
    """One service of a file, with its rpcs."""

    name: str
    full_name: str
    file: str
    rpcs: tuple[Rpc, ...]


def rpc_service(descriptor: ServiceDescriptor, file: str) -> RpcService:
    """The service of `descriptor`, which the definition file `file` defines."""
    rpcs = tuple(_rpc(descriptor.full_name, method) for method in descriptor.methods)
    return RpcService(descriptor.name, descriptor.full_name, file, rpcs)


def _rpc(service: str, method: MethodDescriptor) -> Rpc:
    sent = "stream" if method.client_streaming else "unary"
    answered = "stream" if method.server_streaming else "unary"
    return Rpc(
        name=method.name,
        kind=f"{sent}_{answered}",
        path=f"/{service}/{method.name}",
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        idempotent=method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN,
    )
