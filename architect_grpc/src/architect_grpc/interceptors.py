"""What an application adds to the clients of a service in code: interceptors and call credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from architect_core.deadline import deadline, remaining
from architect_grpc.call import limited, merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from architect_grpc.call import Metadata

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


@dataclass(frozen=True)
class Additions:
    """What `configure_client` is given for a service."""

    interceptors: tuple[Any, ...] = ()
    call_credentials: grpc.CallCredentials | None = None

    def interceptors_of(self, library: ModuleType) -> list[Any]:
        """The interceptors for channels of `library`, `grpc` or `grpc.aio`."""
        interfaces = tuple(_interface(library, kind) for kind in KINDS)
        return [each for each in self.interceptors if isinstance(each, interfaces)]


_additions: dict[str, Additions] = {}


def configure_client(
    service: str, *, interceptors: Iterable[Any] = (), call_credentials: grpc.CallCredentials | None = None
) -> None:
    """Add to the clients of `service` what a configuration cannot contain.

    >>> import architect_grpc, grpc
    >>> token = grpc.access_token_call_credentials("t0ken")
    >>> architect_grpc.configure_client("acme/ledger", interceptors=[], call_credentials=token)

    It applies to the clients that are made from now on, so call it before the first `.client`. It replaces what was
    added before.

    Args:
        service: the service's name.
        interceptors: those of grpc for `.client`, and those of grpc.aio for `.aio.client`; the first one sees a call
            first. They see its timeout, and what the option `auth` sends. However often they send the call, all of it
            takes no longer than its timeout and the deadline around it, and is sent with `auth`.
        call_credentials: what says who calls. They are sent over TLS only: to this machine, a call without TLS is made
            without them, and for another host that is a ConfigError.

    Raises:
        TypeError: an object is neither an interceptor of grpc's nor of grpc.aio's.
    """
    additions = Additions(tuple(interceptors), call_credentials)
    known = {id(each) for library in (grpc, grpc.aio) for each in additions.interceptors_of(library)}
    for each in additions.interceptors:
        if id(each) not in known:
            raise TypeError(f"a {type(each).__name__} is no client interceptor of grpc or grpc.aio")
    _additions[service] = additions


def additions_of(service: str) -> Additions:
    """What the application has added."""
    return _additions.get(service, Additions())


def intercepted(channel: grpc.Channel, interceptors: list[Any], metadata: Metadata) -> grpc.Channel:
    """A channel whose calls `interceptors` see."""
    return grpc.intercept_channel(channel, *interceptors, _innermost(metadata))


def aio_interceptors(interceptors: list[Any], metadata: Metadata) -> list[Any]:
    """The interceptors for a channel of grpc.aio, of which each has one kind, as grpc.aio uses no other kind of one."""
    found = []
    for kind in KINDS:
        interface, name = _interface(grpc.aio, kind), f"intercept_{kind}"
        methods = [getattr(each, name) for each in interceptors if isinstance(each, interface)]
        if methods:
            methods.append(_innermost_aio(metadata))
        found += [type(interface.__name__, (interface,), {name: staticmethod(method)})() for method in methods]
    return found


def _interface(library: ModuleType, kind: str) -> Any:
    request, response = kind.title().split("_")
    return getattr(library, f"{request}{response}ClientInterceptor")


def holding(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, whose timeout is a deadline for all that its interceptors do."""

    def hold(*arguments: Any, timeout: float | None = None, **named: Any) -> Any:
        if timeout is None:
            return call(*arguments, timeout=timeout, **named)
        with deadline(timeout):
            return call(*arguments, timeout=timeout, **named)

    return hold


# An interceptor may send a call several times, or with a timeout and metadata of its own. So the last one sees to it.


def _kept(details: Any, metadata: Metadata) -> tuple[float | None, Metadata]:
    left = remaining()
    timeout = details.timeout if left is None else limited(details.timeout, left)
    return timeout, merged(metadata, tuple(details.metadata or ()))


def _innermost(metadata: Metadata) -> Any:
    def send(continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        timeout, pairs = _kept(details, metadata)
        return continuation(details._replace(timeout=timeout, metadata=pairs), request)

    bases = tuple(_interface(grpc, kind) for kind in KINDS)
    return type("Innermost", bases, {f"intercept_{kind}": staticmethod(send) for kind in KINDS})()


def _innermost_aio(metadata: Metadata) -> Callable[..., Any]:
    async def send(continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        timeout, pairs = _kept(details, metadata)
        kept = grpc.aio.ClientCallDetails(
            details.method, timeout, grpc.aio.Metadata(*pairs), details.credentials, details.wait_for_ready
        )
        return await continuation(kept, request)

    return send
