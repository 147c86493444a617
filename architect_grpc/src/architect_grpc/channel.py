"""From a configured service to a gRPC channel, and to what says who calls: the options `tls` and `auth`."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from codecs import BOM_UTF8
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.contract import Tls
from architect_grpc.endpoint import SECURE, endpoint
from architect_grpc.interceptors import aio_interceptors, intercepted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from architect_core.contract import Target
    from architect_grpc.call import Metadata
    from architect_grpc.endpoint import Endpoint
    from architect_grpc.interceptors import Additions
    from architect_grpc.rpc import RpcService
    from architect_grpc.service_config import ServiceConfig

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
# Custom-Metadata of https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md; keys in -bin have binary values
_KEY = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]*")


def open_channel(
    target: Target, services: Sequence[RpcService], library: ModuleType, additions: Additions, metadata: Metadata
) -> Any:
    """A channel to `target` for the rpcs of `services`. It connects with the first call.

    It uses TLS for `https://` and `grpcs://`, and with the option `tls` for a host without a scheme; otherwise plain
    text. A host in gRPC's own naming, such as `unix:/run/payments.sock`, is passed on as it is.

    Args:
        target: the service.
        services: the services in its definitions.
        library: `grpc`, or `grpc.aio`, for which an event loop must be running.
        additions: the application's interceptors and call credentials.
        metadata: what interceptors must not take away from calls.

    Raises:
        ConfigError: as `endpoint`; a file of `tls` cannot be read or has no PEM of its kind; or `tls` or `auth` does
            not fit the host.
    """
    address = endpoint(target)
    arguments = list(_arguments(target, address, services).items())
    credentials = _credentials(target, address, additions.call_credentials)
    if credentials is None:
        make = partial(library.insecure_channel, address.name, arguments)
    else:
        make = partial(library.secure_channel, address.name, credentials, arguments)
    interceptors = additions.interceptors_of(library)
    if library is grpc.aio:
        return make(interceptors=aio_interceptors(interceptors, metadata))
    return intercepted(make(), interceptors, metadata) if interceptors else make()


def _credentials(
    target: Target, address: Endpoint, call_credentials: grpc.CallCredentials | None
) -> grpc.ChannelCredentials | None:
    """Returns None if the channel is plain text."""
    if _is_secure(target, address):
        tls = _tls_credentials(target)
        return tls if call_credentials is None else grpc.composite_channel_credentials(tls, call_credentials)
    if call_credentials is not None and not address.local:
        raise target.error("host", "call credentials are sent over TLS only; give the host the scheme grpcs://")
    return None


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
    # `localhost` is one machine, however many addresses it has
    balanced = address.several or not address.local
    server_name = options.tls and options.tls.server_name
    policies = options.service_config.policies() if options.service_config else []
    config = _service_config(options.service_config, services, retries=options.retries, balanced=balanced)
    arguments: dict[str, int | str | None] = {
        **CONNECTING,
        "grpc.service_config": json.dumps(config),
        "grpc.enable_retries": None if options.retries or policies else 0,
        # without it, gRPC ignores the time-out of an attempt
        "grpc.experimental.enable_hedging": 1 if any(each.per_attempt_recv_timeout for each in policies) else None,
        "grpc.max_receive_message_length": options.max_receive_message_bytes,
        "grpc.max_send_message_length": options.max_send_message_bytes,
        "grpc.default_authority": server_name or address.authority,
        # the server's certificate must have this name, whatever the authority is
        "grpc.ssl_target_name_override": server_name,
        # the environment's proxy is for other machines
        "grpc.enable_http_proxy": 0 if address.local else None,
        **options.channel_options,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _service_config(
    own: ServiceConfig | None, services: Iterable[RpcService], *, retries: int, balanced: bool
) -> dict[str, Any]:
    """https://github.com/grpc/grpc/blob/master/doc/service_config.md: what gRPC itself does for a call.

    Args:
        own: what the configuration says, which takes precedence.
        services: the services whose rpcs are called.
        retries: how often a call with the status UNAVAILABLE is sent again if its rpc is idempotent. A server may have
            served another and failed to say so.
        balanced: whether calls go to all addresses in turn, instead of to the first that accepts a connection.
    """
    config: dict[str, Any] = {} if own is None else own.model_dump(by_alias=True, exclude_unset=True)
    # the policy for one address does not check health
    if (balanced or "healthCheckConfig" in config) and not {"loadBalancingConfig", "loadBalancingPolicy"} & {*config}:
        config["loadBalancingConfig"] = [{"round_robin": {}}]
    idempotent = [(service.full_name, rpc.name) for service in services for rpc in service.rpcs if rpc.idempotent]
    if idempotent and retries:
        config["methodConfig"] = _with_retries(config.get("methodConfig", []), idempotent, retries)
        # A failed call takes a token, ten successful ones return one, and below half of them nothing is sent again. So
        # all 50 calls that a killed instance loses are, and a failing service gets a tenth more calls at most.
        config.setdefault("retryThrottling", {"maxTokens": 100, "tokenRatio": 0.1})
    return config


def _with_retries(
    configs: list[dict[str, Any]], idempotent: Iterable[tuple[str, str]], retries: int
) -> list[dict[str, Any]]:
    """`configs`, and a retry policy for the rpcs `idempotent` that have none.

    gRPC applies only the most precise config, so that of an rpc has what is configured for its service or for all.
    """
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    found = {
        (name.get("service", ""), name.get("method", "")): {key: each[key] for key in each.keys() - {"name"}}
        for each in configs
        for name in each["name"]
    }
    for service, method in idempotent:
        names = ((service, method), (service, ""), ("", ""))
        precise = next((found[name] for name in names if name in found), {})
        if "retryPolicy" not in precise:
            found[service, method] = precise | {"retryPolicy": policy}
    grouped: dict[str, list[dict[str, str]]] = {}
    for (service, method), settings in found.items():
        name = {"service": service, "method": method}
        grouped.setdefault(json.dumps(settings, sort_keys=True), []).append({k: v for k, v in name.items() if v})
    return [{"name": names, **json.loads(settings)} for settings, names in grouped.items()]


def _tls_credentials(target: Target) -> grpc.ChannelCredentials:
    """The trusted authorities, which are gRPC's own unless configured, and the client's certificate if it has one."""
    tls = target.options.tls or Tls()
    tls.check(target)  # gRPC would only fail the calls
    files = tls.ca, tls.certificate, tls.key
    # OpenSSL skips a byte-order mark, and gRPC does not
    ca, certificate, key = (None if file is None else file.read_bytes().removeprefix(BOM_UTF8) for file in files)
    return grpc.ssl_channel_credentials(ca, key or certificate, certificate)


def auth_metadata(target: Target) -> Metadata:
    """The pairs of key, in lower case, and value that are sent with each call.

    They are not gRPC's call credentials, which run in a thread of their own and cost 70 % of a call.

    Raises:
        ConfigError: gRPC can send no such key or value.
    """
    auth = target.options.auth
    if auth is None:
        return ()
    pairs: dict[str, str] = {}
    for name, value in auth.headers.items():
        if not _KEY.fullmatch(name.lower()):
            raise target.error("options.auth.headers", "has a name that is gRPC's own, or that metadata cannot have")
        pairs[name.lower()] = value
    if auth.bearer is not None:
        pairs["authorization"] = f"Bearer {auth.bearer}"
    if auth.username is not None:
        pairs["authorization"] = "Basic " + b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    for key, value in pairs.items():
        if not _VALUE.fullmatch(value):
            field = "headers" if key != "authorization" or auth.bearer is None else "bearer"
            raise target.error(f"options.auth.{field}", "has a value that is not printable ASCII")
    return tuple(pairs.items())
