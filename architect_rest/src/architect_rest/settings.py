"""The configuration of a REST service, whichever library its client is made with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt

from architect_core import contract
from architect_core.contract import Auth, Tls, parse_address, raising
from architect_rest.policy.endpoints import SharedEndpoints
from architect_rest.policy.limits import MAX_ANSWER_BYTES
from architect_rest.policy.retry import IDEMPOTENT, Method
from architect_rest.policy.scope import Jail  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Address, Target

_COMMON = {  # for both clients
    "total_timeout", "retries", "retries_for", "circuit_breaker", "max_answer_bytes", "jail"
}  # fmt: skip
_LATIN_1 = 0xFF  # the last character of ISO 8859-1, in which headers are sent


class RestOptions(contract.Options):
    """The `options` of a REST service.

    Attributes:
        connect_timeout: seconds to connect; None waits for ever.
        read_timeout: seconds for one attempt once it is connected; None waits for ever.
        total_timeout: seconds for a call with all of its attempts; None for no limit.
        retries: how many attempts may follow the first one, if the request may be sent again.
        retries_for: the methods of requests that may be sent again although they may have been processed; by default
            those that are idempotent. A request with an `Idempotency-Key`, or that was not sent, may always be.
        circuit_breaker: whether calls fail at once for a while after five consecutive attempts without an answer.
        max_answer_bytes: the largest decoded response, in bytes, unless it is streamed; None for no limit.
        jail: where the URLs of calls stay: "base", below the base URL, or "origin", at any path of the host.
        tls: the service's authorities, and the client's certificate.
        auth: the credentials that are sent with every call.
    """

    connect_timeout: PositiveFloat | None = 3.0
    read_timeout: PositiveFloat | None = 10.0
    total_timeout: PositiveFloat | None = 30.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    retries_for: list[Method] = sorted(IDEMPOTENT)
    circuit_breaker: bool = True
    max_answer_bytes: PositiveInt | None = MAX_ANSWER_BYTES
    jail: Jail = "base"
    tls: Tls | None = None
    auth: Auth | None = None


@dataclass(frozen=True)
class Settings:
    """What a client is made of."""

    options: RestOptions
    base_url: str  # scheme, host, port and base path of the first instance
    common: Mapping[str, Any]  # keyword arguments that both clients take
    tls: Tls
    headers: Mapping[str, str] = field(repr=False)  # sent with every call
    bearer: str | None = field(repr=False)  # a token
    login: tuple[bytes, bytes] | None = field(repr=False)  # user and password in UTF-8 (RFC 7617)


def settings(target: Target) -> Settings:
    """The settings of a service's entry.

    Raises:
        ConfigError: the entry is wrong.
    """
    addresses, tls = _addresses(target), target.options.tls or Tls()
    # the port is written even if it is the scheme's default: the Host header then says what was configured
    urls = [f"{each.scheme}://{each.netloc}" for each in addresses]
    first = addresses[0]
    tls.check(target)
    auth = target.options.auth or Auth()
    for name, values in {"bearer": [auth.bearer or ""], "headers": list(auth.headers.values())}.items():
        if any(ord(character) > _LATIN_1 for value in values for character in value):
            raise target.error(f"options.auth.{name}", "has a character that no HTTP header can have")
        if any(value != value.strip() for value in values):
            raise target.error(f"options.auth.{name}", "has white space at an end, which no HTTP header can have")
    if first.username is not None and (auth.bearer or auth.username):
        raise target.error("options.auth", "has credentials, and the host does too; remove one of them")
    has_login = first if auth.username is None else auth
    login = None if has_login.username is None else (has_login.username.encode(), (has_login.password or "").encode())
    common = {
        **target.options.model_dump(include=_COMMON),
        "instances": urls if len(urls) > 1 else [],
        "weights": [each.weight for each in target.config.instances],
        "server_name": tls.server_name,
        "shared": target.shared.setdefault("endpoints", SharedEndpoints()),
        "observer": target.observer,
    }
    return Settings(
        target.options,
        base_url=urls[0] + first.path,
        common=common,
        tls=tls,
        headers=auth.headers,
        bearer=auth.bearer,
        login=login,
    )


def _addresses(target: Target) -> list[Address]:
    several = target.config.instances
    if len(several) < 2:
        return [_checked(target, target.address(), "")]
    found: list[Address] = []
    for number, each in enumerate(several):
        path = f"instances[{number}]."
        address = raising(partial(target.error, f"{path}host"), parse_address, each.host or "", each.port)
        found.append(_checked(target, address, path))
        if replace(found[0], host=found[-1].host, port=found[-1].port) != found[-1]:
            reason = "has another scheme, base path or login than the first instance; make it a service of its own"
            raise target.error(f"{path}host", reason)
    return found


def _checked(target: Target, address: Address, path: str) -> Address:
    """`address` with a scheme, and with a password if it has a user."""
    from architect_rest.policy.origin import DEFAULT_PORTS, is_host

    scheme = address.scheme or "http"
    if scheme not in DEFAULT_PORTS:
        raise target.error(f"{path}host", "a REST service's host starts with http://, https:// or no scheme")
    if address.port is None and not address.scheme:
        raise target.error(f"{path}port", "is missing")
    if not is_host(address.host):
        raise target.error(
            f"{path}host",
            "is no host name: a part between its dots is empty, too long, or has a character that IDNA does not allow",
        )
    return replace(address, scheme=scheme, password=address.password or "")
