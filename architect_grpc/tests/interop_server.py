"""The server of grpc's interop cases: grpcio and protoc's own modules, and nothing of architect's."""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc


def serve(folder: str, pair: tuple[bytes, bytes] | None, connection: Any) -> None:
    """Serve with the modules in `folder`; over TLS with a private key and its certificate in `pair`."""
    sys.path.insert(0, folder)
    messages, services = importlib.import_module("interop_pb2"), importlib.import_module("interop_pb2_grpc")
    server = grpc.server(ThreadPoolExecutor(16))
    services.add_TestServiceServicer_to_server(servicer(messages, services.TestServiceServicer), server)
    at = "127.0.0.1:0"
    secure = None if pair is None else grpc.ssl_server_credentials([pair])
    port = server.add_insecure_port(at) if secure is None else server.add_secure_port(at, secure)
    server.start()
    connection.send(port)
    server.wait_for_termination()


def servicer(messages: Any, base: type) -> Any:
    class TestService(base):
        def EmptyCall(self, request, context):
            echo_metadata(context)
            return messages.Empty()

        def UnaryCall(self, request, context):
            echo_metadata(context)
            echo_status(request, context)
            compress(request.response_compressed.value, context)
            return messages.SimpleResponse(payload=messages.Payload(body=bytes(request.response_size)))

        def StreamingInputCall(self, request_iterator, context):
            sizes = (len(request.payload.body) for request in request_iterator)
            return messages.StreamingInputCallResponse(aggregated_payload_size=sum(sizes))

        def StreamingOutputCall(self, request, context):
            echo_metadata(context)
            echo_status(request, context)
            yield from responses(request, context)

        def FullDuplexCall(self, request_iterator, context):
            echo_metadata(context)
            for request in request_iterator:
                echo_status(request, context)
                yield from responses(request, context)

    def responses(request, context):
        context.set_compression(grpc.Compression.Gzip)
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 10**6)
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield messages.StreamingOutputCallResponse(payload=messages.Payload(body=bytes(parameters.size)))

    return TestService()


def compress(wanted, context):
    context.set_compression(grpc.Compression.Gzip if wanted else grpc.Compression.NoCompression)


def echo_metadata(context):
    sent = dict(context.invocation_metadata())
    initial, trailing = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
    if initial in sent:
        context.send_initial_metadata([(initial, sent[initial])])
    if trailing in sent:
        context.set_trailing_metadata([(trailing, sent[trailing])])


def echo_status(request, context):
    if request.HasField("response_status"):
        known = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(known[request.response_status.code], request.response_status.message)
