"""The `options` of a gRPC service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from architect_core import contract
from architect_grpc.service_config import ServiceConfig

# imports neither grpc nor protobuf, as the plugin

LONGEST = 97_200_000.0  # seconds; gRPC sends no longer timeout than 27,000 hours, and overflows at 292 years

Size = Annotated[int, Field(ge=-1, le=2**31 - 1)]  # an `int` of C, in which -1 is no limit


def _value(value: object) -> object:
    if value is None or (isinstance(value, int) and -(2**31) <= value < 2**31):
        return value if value is None else int(value)  # gRPC has 1 and 0 for true and false
    if isinstance(value, str) and value.isprintable():
        return value
    raise ValueError(
        "must be a whole number of 32 bits, text without control characters, true, false, or null for gRPC's default"
    )


ChannelOption = Annotated[str, Field(pattern=r"^[!-~]+$")]
ChannelValue = Annotated[int | str | None, BeforeValidator(_value)]


class GrpcOptions(contract.Options):
    """The `options` of a gRPC service.

    Attributes:
        total_timeout: seconds that a call with a single response may take, unless it passes `timeout`; None for no
            limit.
        retries: how often gRPC sends a failed call of an idempotent rpc again: 0 to 4. With 0, it sends no call again.
        tls: the authorities that may have signed the server's certificate, and the client's own certificate.
        auth: what is sent with every call to say who calls.
        max_receive_message_bytes: the largest response message; -1 for no limit, None for gRPC's own, 4 MiB.
        max_send_message_bytes: the largest request message; -1 or None for no limit.
        channel_options: gRPC's own options of the channel, such as `"grpc.keepalive_time_ms": 30000`
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html). They take precedence over those that
            architect sets; None leaves one to gRPC.
        service_config: gRPC's service config, which takes precedence over architect's own, key by key.
    """

    total_timeout: Annotated[float, Field(gt=0, le=LONGEST)] | None = 30.0
    retries: Annotated[int, Field(ge=0, le=4)] = 2  # gRPC itself makes at most five attempts
    tls: contract.Tls | None = None
    auth: contract.Auth | None = None
    max_receive_message_bytes: Size | None = None
    max_send_message_bytes: Size | None = None
    channel_options: dict[ChannelOption, ChannelValue] = Field(default_factory=dict)
    service_config: ServiceConfig | None = None
