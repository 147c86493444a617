"""The services and rpcs of definitions, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor_pb2 import MethodOptions

from architect_grpc.descriptors import full_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto
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


def rpc_service(
    service: ServiceDescriptorProto, file: FileDescriptorProto, message_class: Callable[[str], type[Message]]
) -> RpcService:
    """The service, which `file` defines; `message_class` returns the class of a message by its full name."""
    path = full_name(file, service.name)
    rpcs = tuple(_rpc(path, method, message_class) for method in service.method)
    return RpcService(service.name, path, file.name, rpcs)


def _rpc(service: str, method: MethodDescriptorProto, message_class: Callable[[str], type[Message]]) -> Rpc:
    streams = method.client_streaming, method.server_streaming
    return Rpc(
        name=method.name,
        kind="_".join("stream" if each else "unary" for each in streams),
        path=f"/{service}/{method.name}",
        request=message_class(method.input_type[1:]),
        response=message_class(method.output_type[1:]),
        idempotent=method.options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN,
    )
