"""From a configured service to a gRPC channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_grpc.endpoint import endpoint
from architect_grpc.service_config import service_config
from architect_grpc.tls import tls_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from architect_core.contract import Target
    from architect_grpc.endpoint import Endpoint
    from architect_grpc.rpc import RpcService

# https://grpc.github.io/grpc/core/group__grpc__arg__keys.html; all are milliseconds
CONNECTING = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.min_reconnect_backoff_ms": 5_000,  # which is what an attempt to connect may take
    "grpc.dns_min_time_between_resolutions_ms": 5_000,
    # Data that nobody confirms ends a connection after the second of these (TCP_USER_TIMEOUT), which gRPC sets only
    # with the first. That is as often as a server takes pings by default, one in five minutes, with a minute to spare.
    "grpc.keepalive_time_ms": 360_000,
    "grpc.keepalive_timeout_ms": 20_000,
}


def open_channel(target: Target, services: Sequence[RpcService], library: ModuleType) -> Any:
    """A channel to `target`, on which the rpcs of `services` are called; it connects with the first call.

    TLS for `https://` and `grpcs://`, and with the option `tls` for a host without a scheme; plain text otherwise. A
    host in gRPC's own naming, such as `unix:/run/payments.sock`, is given on as it is.

    Args:
        target: where it leads.
        services: whose rpcs are called.
        library: whose channel it is: `grpc`, or `grpc.aio`, for which an event loop must be running.

    Raises:
        ConfigError: as `endpoint` and `tls_credentials` say; or `tls` and `auth` do not go with the host.
    """
    place = endpoint(target)
    arguments = list(_arguments(target, place, services).items())
    if _is_secure(target, place):
        return library.secure_channel(place.name, tls_credentials(target), arguments)
    return library.insecure_channel(place.name, arguments)


def _is_secure(target: Target, place: Endpoint) -> bool:
    options = target.options
    secure = place.secure or (options.tls is not None and not place.scheme)
    if options.tls is not None and not secure:
        raise target.error("options.tls", "is for a host with grpcs://, https:// or no scheme; this one is plain text")
    if options.auth is not None and not secure and not place.local:
        raise target.error(
            "options.auth", "is sent over TLS, or to this machine, and nowhere else; give the host the scheme grpcs://"
        )
    if secure and place.several and (options.tls is None or options.tls.server_name is None):
        raise target.error("options.tls.server_name", "is missing: the name in the certificates of all instances")
    return secure


def _arguments(target: Target, place: Endpoint, services: Sequence[RpcService]) -> dict[str, int | str]:
    options = target.options
    server_name = options.tls and options.tls.server_name
    arguments: dict[str, int | str | None] = {
        **CONNECTING,
        "grpc.service_config": service_config(services, retries=options.retries, balanced=place.balanced),
        "grpc.enable_retries": None if options.retries else 0,
        "grpc.max_receive_message_length": options.max_receive_message_bytes,
        "grpc.max_send_message_length": options.max_send_message_bytes,
        # which is also the name that the server's certificate must have
        "grpc.default_authority": server_name or place.authority,
        "grpc.enable_http_proxy": 0 if place.local else None,  # a variable's proxy is on the way to other machines
    }
    return {name: value for name, value in arguments.items() if value is not None}
