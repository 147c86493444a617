"""From a configured service to a gRPC channel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from architect_grpc.endpoint import SECURE, endpoint
from architect_grpc.identity import tls_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from architect_core.contract import Target
    from architect_grpc.endpoint import Endpoint
    from architect_grpc.rpc import RpcService

# https://grpc.github.io/grpc/core/group__grpc__arg__keys.html, in milliseconds
CONNECTING = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.min_reconnect_backoff_ms": 5_000,  # which is also the time-out of an attempt to connect
    "grpc.dns_min_time_between_resolutions_ms": 5_000,
    # The second ends a connection whose data is not acknowledged for so long (TCP_USER_TIMEOUT); gRPC sets it only
    # together with the first. By default a server allows one ping in five minutes; this is a minute more.
    "grpc.keepalive_time_ms": 360_000,
    "grpc.keepalive_timeout_ms": 20_000,
}


def open_channel(target: Target, services: Sequence[RpcService], library: ModuleType) -> Any:
    """A channel to `target` for the rpcs of `services`. It connects with the first call.

    It uses TLS for `https://` and `grpcs://`, and with the option `tls` for a host without a scheme; otherwise plain
    text. A host in gRPC's own naming, such as `unix:/run/payments.sock`, is passed on as it is.

    Args:
        target: the service.
        services: the services in its definitions.
        library: `grpc`, or `grpc.aio`, for which an event loop must be running.

    Raises:
        ConfigError: as `endpoint` and `tls_credentials`; or `tls` or `auth` does not fit the host.
    """
    address = endpoint(target)
    arguments = list(_arguments(target, address, services).items())
    if _is_secure(target, address):
        return library.secure_channel(address.name, tls_credentials(target), arguments)
    return library.insecure_channel(address.name, arguments)


def _is_secure(target: Target, address: Endpoint) -> bool:
    options = target.options
    secure = address.scheme in SECURE or (options.tls is not None and not address.scheme)
    if options.tls is not None and not secure:
        raise target.error("options.tls", "is for a host with grpcs://, https:// or no scheme; this one is plain text")
    if options.auth is not None and not secure and not address.local:
        raise target.error(
            "options.auth", "is sent over TLS, or to this machine, and nowhere else; give the host the scheme grpcs://"
        )
    if secure and address.several and (options.tls is None or options.tls.server_name is None):
        raise target.error("options.tls.server_name", "is missing: the name in the certificates of all instances")
    return secure


def _arguments(target: Target, address: Endpoint, services: Sequence[RpcService]) -> dict[str, int | str]:
    options = target.options
    server_name = options.tls and options.tls.server_name
    arguments: dict[str, int | str | None] = {
        **CONNECTING,
        "grpc.service_config": _service_config(services, retries=options.retries, balanced=address.balanced),
        "grpc.enable_retries": None if options.retries else 0,
        "grpc.max_receive_message_length": options.max_receive_message_bytes,
        "grpc.max_send_message_length": options.max_send_message_bytes,
        # the server's certificate must have this name
        "grpc.default_authority": server_name or address.authority,
        # the environment's proxy is for other machines
        "grpc.enable_http_proxy": 0 if address.local else None,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _service_config(services: Iterable[RpcService], *, retries: int, balanced: bool) -> str:
    """https://github.com/grpc/grpc/blob/master/doc/service_config.md: what gRPC itself does for a call.

    Args:
        services: the services whose rpcs are called.
        retries: how often a call with the status UNAVAILABLE is sent again if its rpc is idempotent. A server may have
            served another and failed to say so.
        balanced: whether calls go to all addresses in turn, instead of to the first that accepts a connection.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]} if balanced else {}
    idempotent = [(service, rpc) for service in services for rpc in service.rpcs if rpc.idempotent]
    if idempotent and retries:
        policy = {
            "maxAttempts": retries + 1,
            "initialBackoff": "0.1s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        names = [{"service": service.full_name, "method": rpc.name} for service, rpc in idempotent]
        config["methodConfig"] = [{"name": names, "retryPolicy": policy}]
        # A failed call takes a token, ten successful ones return one, and below half of them nothing is sent again. So
        # all 50 calls that a killed instance loses are, and a failing service gets a tenth more calls at most.
        config["retryThrottling"] = {"maxTokens": 100, "tokenRatio": 0.1}
    return json.dumps(config)
