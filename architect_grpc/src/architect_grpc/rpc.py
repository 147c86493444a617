"""The services and rpcs of definitions, read from protobuf's descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message


@dataclass(frozen=True)
class Rpc:
    """One rpc.

    Attributes:
        name: as in the definitions.
        kind: grpc's name for what streams: "unary_unary", "unary_stream", "stream_unary" or "stream_stream".
        path: its HTTP/2 path, such as "/acme.v1.Payments/Pay".
        request: the class of its requests.
        response: the class of its responses.
        idempotent: whether the definitions say that a call may be sent twice (`option idempotency_level`).
    """

    name: str
    kind: str
    path: str
    request: type[Message]
    response: type[Message]
    idempotent: bool = False

    def handler(self, method: Callable[..., Any], deserialize: Callable[[bytes], Any] | None = None) -> Any:
        """Returns grpc's handler for a server, which calls `method` of (request, context)."""
        make = getattr(grpc, f"{self.kind}_rpc_method_handler")
        return make(method, deserialize or self.request.FromString, self.response.SerializeToString)


@dataclass(frozen=True)
class RpcService:
    """One service of a definition file, with its rpcs."""

    name: str
    full_name: str
    file: str
    rpcs: tuple[Rpc, ...]


def rpc_service(descriptor: ServiceDescriptor, file: str) -> RpcService:
    """The service of `descriptor`, which the definition file `file` defines."""
    rpcs = tuple(_rpc(descriptor.full_name, method) for method in descriptor.methods)
    return RpcService(descriptor.name, descriptor.full_name, file, rpcs)


def _rpc(service: str, method: MethodDescriptor) -> Rpc:
    streams = method.client_streaming, method.server_streaming
    return Rpc(
        name=method.name,
        kind="_".join("stream" if each else "unary" for each in streams),
        path=f"/{service}/{method.name}",
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        idempotent=method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN,
    )
