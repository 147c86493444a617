"""What gRPC itself does for a call: which instance it asks, and whether it asks again.

https://github.com/grpc/grpc/blob/master/doc/service_config.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_grpc.rpc import RpcService


def service_config(services: Iterable[RpcService], *, retries: int, balanced: bool) -> str:
    """The service config of a channel, in JSON.

    Args:
        services: whose rpcs are called.
        retries: how often a call that was lost is sent again, if its rpc is idempotent. Of another, UNAVAILABLE may
            mean that the server did what it was asked for and could not say so.
        balanced: whether calls go to all addresses in turn, and not to the first that answers.
    """
    config: dict[str, Any] = {}
    if balanced:
        config["loadBalancingConfig"] = [{"round_robin": {}}]
    names = [
        {"service": service.full_name, "method": rpc.name}
        for service in services
        for rpc in service.rpcs
        if rpc.idempotent
    ]
    if names and retries:
        policy = {
            "maxAttempts": retries + 1,
            "initialBackoff": "0.1s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config["methodConfig"] = [{"name": names, "retryPolicy": policy}]
        # A lost call takes a token, ten good ones give one back, and with half of them gone nothing is sent again: a
        # burst of 50 calls, as a killed instance loses, is; a tenth more load is the most that a failing service gets.
        config["retryThrottling"] = {"maxTokens": 100, "tokenRatio": 0.1}
    return json.dumps(config)
