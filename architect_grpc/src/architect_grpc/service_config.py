"""The option `service_config`: gRPC's own settings of how calls are balanced, retried and checked.

See https://github.com/grpc/grpc/blob/master/doc/service_config.md and grpc/service_config/service_config.proto.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PositiveFloat, model_validator
from pydantic.alias_generators import to_camel

from architect_core import contract

# imports neither grpc nor protobuf, as the plugin


def _not_hedged(value: object) -> None:
    if value is not None:
        raise ValueError(
            "is ignored by grpcio, which does not hedge; give a `retryPolicy` with `perAttemptRecvTimeout`, which ends "
            "an attempt without a response, and sends the call again"
        )


Duration = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?s$")]  # protobuf's, in JSON
Code = Literal[
    "ABORTED", "ALREADY_EXISTS", "CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INTERNAL",
    "INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED",
    "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN",
]  # fmt: skip
MessageBytes = Annotated[int, Field(ge=0, lt=2**32)]


class _Part(contract.Options):
    model_config = ConfigDict(alias_generator=to_camel)


class MethodName(_Part):
    """Which rpcs a `MethodConfig` is for: one, all of a service, or, without both, all."""

    service: str = ""
    method: str = ""


class RetryPolicy(_Part):
    """When a failed call is sent again: https://github.com/grpc/proposal/blob/master/A6-client-retries.md.

    Attributes:
        max_attempts: how often a call is sent at most; gRPC takes a number over 5 for 5.
        per_attempt_recv_timeout: how long an attempt may wait for its response before the next is made.
    """

    max_attempts: Annotated[int, Field(ge=2, lt=2**31)]
    initial_backoff: Duration
    max_backoff: Duration
    backoff_multiplier: PositiveFloat
    retryable_status_codes: list[Code] = Field(default_factory=list)
    per_attempt_recv_timeout: Duration | None = None

    @model_validator(mode="after")
    def _retries_something(self) -> Self:
        if not self.retryable_status_codes and self.per_attempt_recv_timeout is None:
            raise ValueError("has neither retryableStatusCodes nor perAttemptRecvTimeout")
        return self


class MethodConfig(_Part):
    """What applies to the calls of some rpcs."""

    name: Annotated[list[MethodName], Field(min_length=1)]
    wait_for_ready: bool | None = None
    timeout: Duration | None = None
    max_request_message_bytes: MessageBytes | None = None
    max_response_message_bytes: MessageBytes | None = None
    retry_policy: RetryPolicy | None = None
    hedging_policy: Annotated[None, BeforeValidator(_not_hedged)] = None


class RetryThrottling(_Part):
    """When a failing service gets no retries."""

    max_tokens: Annotated[float, Field(gt=0, le=1000)]
    token_ratio: PositiveFloat


class HealthCheckConfig(_Part):
    """The service whose health is watched (grpc.health.v1); "" is the whole server."""

    service_name: str | None = None


class ServiceConfig(_Part):
    """The option `service_config`, with gRPC's own names: https://grpc.io/docs/guides/service-config/.

    It takes precedence over what architect configures, key by key: calls are balanced by `round_robin`, and idempotent
    rpcs retried, unless it says otherwise for them.
    """

    load_balancing_policy: str | None = None
    load_balancing_config: list[dict[str, dict[str, Any]]] | None = None
    method_config: list[MethodConfig] = Field(default_factory=list)
    retry_throttling: RetryThrottling | None = None
    health_check_config: HealthCheckConfig | None = None

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [(name.service, name.method) for each in self.method_config for name in each.name]
        if any(method and not service for service, method in names):
            raise ValueError("has a methodConfig whose name is a method without its service")
        if len(set(names)) < len(names):
            raise ValueError("has two methodConfig for one name, of which gRPC takes none")
        return self

    def policies(self) -> list[RetryPolicy]:
        """The retry policies of its rpcs."""
        return [each.retry_policy for each in self.method_config if each.retry_policy is not None]
