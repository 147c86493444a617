"""A control plane of xDS: it tells a client that a service has one endpoint (Envoy's API v3, ADS).

Messages are written by their fields' numbers, in https://github.com/envoyproxy/envoy/tree/main/api/envoy.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
CONFIG = "type.googleapis.com/envoy.config"
FILTERS = "type.googleapis.com/envoy.extensions.filters"
LISTENER = f"{CONFIG}.listener.v3.Listener"
CLUSTER = f"{CONFIG}.cluster.v3.Cluster"
ENDPOINTS = f"{CONFIG}.endpoint.v3.ClusterLoadAssignment"


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def message(fields: dict[int, Any]) -> bytes:
    """A protobuf message: text, bytes and dicts are delimited by their length, other values are numbers."""
    encoded = b""
    for number, value in fields.items():
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
            continue
        content = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else message(value)
        encoded += varint(number << 3 | 2) + varint(len(content)) + content
    return encoded


def any_of(kind: str, fields: dict[int, Any]) -> dict[int, Any]:
    return {1: kind, 2: message(fields)}


class XdsServer:
    """Listens on `port`; the service `name` is at `service_port` of this machine.

    Attributes:
        bootstrap: the content of GRPC_XDS_BOOTSTRAP_CONFIG for clients.
        asked: the types of what the client has asked for.
    """

    def __init__(self, name: str, service_port: int) -> None:
        router = {1: "router", 4: any_of(f"{FILTERS}.http.router.v3.Router", {})}
        route = {1: {1: ""}, 2: {1: "cluster"}}
        routes = {1: "routes", 2: {1: "host", 2: "*", 3: route}}
        manager = f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"
        address = {1: {2: "127.0.0.1", 3: service_port}}
        locality = {1: {1: "here"}, 2: {1: {1: address}}, 3: {1: 1}}
        self._resources = {
            LISTENER: {1: name, 19: {1: any_of(manager, {4: routes, 5: router})}},
            CLUSTER: {1: "cluster", 2: 3, 3: {1: {3: {}}}},
            ENDPOINTS: {1: "cluster", 2: locality},
        }
        self.asked: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        stream = grpc.stream_stream_rpc_method_handler(self._answer)
        handler = grpc.method_handlers_generic_handler(ADS, {"StreamAggregatedResources": stream})
        self._server.add_generic_rpc_handlers((handler,))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        uri = {
            "server_uri": f"127.0.0.1:{port}",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        self.bootstrap = json.dumps({"xds_servers": [uri], "node": {"id": "test"}})

    def close(self) -> None:
        self._server.stop(None).wait()

    def _answer(self, requests: Any, _context: Any) -> Any:
        for request in requests:
            for kind in self._resources:
                # an acknowledgement asks for the same again; what has been sent is not sent twice
                if kind.encode() in request and kind not in self.asked:
                    self.asked.append(kind)
                    yield message({1: "1", 2: any_of(kind, self._resources[kind]), 4: kind, 5: kind})
