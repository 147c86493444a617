"""The entry point "rest"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from architect_core import contract
from architect_core.hookspecs import hookimpl
from architect_core.identity import Auth, Tls

if TYPE_CHECKING:
    from architect_core.contract import ClientFactory, DoubleFactory, EventPublisher, ReadinessProbe, Target
    from architect_rest.client import RestClient

ARCHITECT_CONTRACT = 1

_LATIN_1 = 0xFF  # the last character of ISO 8859-1, which is what headers are sent in


class RestOptions(contract.Options):
    """The `options` of a REST service.

    Attributes:
        connect_timeout: seconds to connect; None waits for ever.
        read_timeout: seconds that one attempt may take once it is connected; None waits for ever.
        total_timeout: seconds that a call may take with all of its attempts; None for no end.
        retries: how many attempts may follow the first one, where a call may be repeated.
        circuit_breaker: whether nothing is sent for a moment to a service that gave no answer five times in a row.
        max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
        tls: the service's authorities, and the client's certificate.
        auth: what is sent with every call.
    """

    connect_timeout: PositiveFloat | None = 3.0
    read_timeout: PositiveFloat | None = 10.0
    total_timeout: PositiveFloat | None = 30.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    circuit_breaker: bool = True
    max_answer_bytes: PositiveInt | None = 268_435_456
    tls: Tls | None = None
    auth: Auth | None = None


class RestClientFactory(contract.ClientFactory):
    """Makes `RestClient`s."""

    Options = RestOptions
    fork_safe: ClassVar[bool] = True

    def client(self, target: Target) -> RestClient:
        """A session whose base URL is the target's host, port and base path; "http" unless the host says "https"."""
        from architect_rest.auth import BearerAuth
        from architect_rest.client import RestClient
        from architect_rest.places import places

        options: RestOptions = target.options
        first, *others = places(target)
        tls, auth = options.tls or Tls(), options.auth or Auth()
        client = RestClient(
            first.url + first.path,
            timeout=(options.connect_timeout, options.read_timeout),
            total_timeout=options.total_timeout,
            retries=options.retries,
            max_answer_bytes=options.max_answer_bytes,
            circuit_breaker=options.circuit_breaker,
            instances=[each.url for each in (first, *others)] if others else (),
            weights=[each.weight for each in (first, *others)],
            ca=None if tls.ca is None else str(tls.ca),
            server_name=tls.server_name,
        )
        if tls.certificate is not None:
            client.cert = str(tls.certificate) if tls.key is None else (str(tls.certificate), str(tls.key))
        for field, values in {"bearer": [auth.bearer or ""], "headers": list(auth.headers.values())}.items():
            if any(ord(character) > _LATIN_1 for value in values for character in value):
                raise target.error(f"options.auth.{field}", "has a character that no HTTP header can have")
        client.headers.update(auth.headers)
        if first.login is not None and (auth.bearer or auth.username):
            raise target.error("options.auth", "says who logs in, and the host does too; leave one of them out")
        if auth.bearer is not None:
            client.auth = BearerAuth(auth.bearer)
        elif auth.username is not None:
            # as bytes, which RFC 7617 has in UTF-8; requests fails on text that Latin-1 has not
            client.auth = (auth.username.encode(), (auth.password or "").encode())  # type: ignore[assignment]
        elif first.login is not None:
            client.auth = first.login
        return client


@hookimpl
def architect_client_factory() -> ClientFactory:
    """Makes the clients."""
    return RestClientFactory()


@hookimpl
def architect_event_publisher() -> EventPublisher:
    """Posts events."""
    from architect_rest.publisher import RestPublisher

    return RestPublisher()


@hookimpl
def architect_readiness_probe() -> ReadinessProbe:
    """Tells whether a service takes calls."""
    from architect_rest.readiness import RestReadinessProbe

    return RestReadinessProbe()


@hookimpl
def architect_double_factory() -> DoubleFactory:
    """Stands in for services in tests."""
    from architect_rest.double import RestDoubleFactory

    return RestDoubleFactory()
