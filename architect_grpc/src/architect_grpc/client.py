"""The client of a dependency: the rpcs of the services in its definitions."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import grpc

from architect_core.contract import did_you_mean, listing
from architect_grpc.call import call_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from architect_grpc.call import Defaults
    from architect_grpc.rpc import RpcService

    AnyChannel = grpc.Channel | grpc.aio.Channel


class ServiceStub:
    """The rpcs of one service; each is an attribute that holds a multicallable."""

    service: ClassVar[RpcService]

    def __init__(self, channel: AnyChannel, defaults: Defaults | None = None) -> None:
        """Register the rpcs with `channel`; without `defaults`, the multicallables are grpc's own."""
        untyped: Any = channel  # type stubs have no `_registered_method`, which generated code passes
        is_aio = isinstance(channel, grpc.aio.Channel)
        for rpc in type(self).service.rpcs:
            call = getattr(untyped, rpc.kind)(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
                # an intercepted channel registers it for each call, which crashes when the channel is closed
                _registered_method=defaults is None or defaults.wrap is None,
            )
            if defaults is not None:
                call = call_class(rpc.kind, is_aio=is_aio)(call, rpc, defaults)
            vars(self)[rpc.name] = call

    def __getattr__(self, name: str) -> Any:
        known = sorted(vars(self))
        service = type(self).service.full_name
        raise AttributeError(f"{service} has no rpc {name!r}{did_you_mean(name, known)}; {listing(known)}")


def stub_class(service: RpcService, module: str) -> type[ServiceStub]:
    """The class that generated code calls `<service>Stub`; it takes a channel of grpc or grpc.aio."""
    content = {"service": service, "__module__": module, "__doc__": f"The rpcs of {service.full_name}."}
    return type(f"{service.name}Stub", (ServiceStub,), content)


@dataclass(frozen=True)
class _Opened:
    """A channel with the rpcs on it.

    Attributes:
        services: those of the definitions, by their full names.
        attributes: those of the client.
        ambiguous: names that more than one has, with the spellings that are not.
    """

    channel: Any
    services: dict[str, ServiceStub]
    attributes: dict[str, Any]
    ambiguous: dict[str, list[str]]


def _opened(open_channel: Callable[[], AnyChannel], stubs: Sequence[type[ServiceStub]], defaults: Defaults) -> _Opened:
    channel = open_channel()
    by_full_name = {stub.service.full_name: stub(channel, defaults) for stub in stubs}
    services: dict[str, list[tuple[str, Any]]] = {}
    rpcs: dict[str, list[tuple[str, Any]]] = {}
    for full_name, service in by_full_name.items():
        services.setdefault(type(service).service.name, []).append((f"client[{full_name!r}]", service))
    for simple, found in services.items():
        for spelling, service in found:
            prefix = spelling if found[1:] else f"client.{simple}"
            for rpc, call in vars(service).items():
                rpcs.setdefault(rpc, []).append((f"{prefix}.{rpc}", call))
    choices = rpcs | services if stubs[1:] else services | rpcs  # of equal names, the later wins
    attributes = {key: found[0][1] for key, found in choices.items() if not found[1:]}
    ambiguous = {key: [spelling for spelling, _ in found] for key, found in choices.items() if found[1:]}
    return _Opened(channel, by_full_name, {"channel": channel} | attributes, ambiguous)


class Client:
    """The rpcs of all services in a dependency's definitions, on one channel.

        client.Pay(request, timeout=5)           # an rpc that only one service has
        client.Refunds.Create(request)           # an rpc of the service Refunds
        client["acme.v1.Refunds"].Create(...)    # a service by its full name, which is never ambiguous

    An rpc is one of grpc's multicallables: `timeout` (seconds), `metadata`, `.future`, `.with_call` and the errors are
    those of grpc's documentation. If there are several services, a service's name wins over an equal name of an rpc.

    On a channel of grpc.aio, an rpc is one of grpc.aio's multicallables: `await client.Pay(request, timeout=5)`.

    After `close`, the next use opens another channel. A client that its service has closed stays closed.

    Attributes:
        channel: the `grpc.Channel` or `grpc.aio.Channel`, unless an rpc or a service has that name. A stub made with it
            adds no deadline and no `auth`, and is not observed.
    """

    def __init__(
        self, name: str, open_channel: Callable[[], AnyChannel], stubs: Sequence[type[ServiceStub]], defaults: Defaults
    ) -> None:
        """Open a channel, and make the rpcs of `stubs` for the dependency `name`."""
        # attributes of its own are mangled, because an rpc may have any other name
        self.__name = name
        self.__open = partial(_opened, open_channel, stubs, defaults)
        self.__lock = threading.Lock()
        self.__opened: _Opened | None = None
        self.__ended: Callable[[], Exception] | None = None  # a new one each time, as an error keeps what it passed
        self.__is_aio = isinstance(self.__use().channel, grpc.aio.Channel)

    def __use(self) -> _Opened:
        with self.__lock:
            if self.__ended is not None:
                problem = self.__ended()
                raise problem
            if self.__opened is None:
                self.__opened = self.__open()
                vars(self).update(self.__opened.attributes)
            return self.__opened

    def __take(self, ended: Callable[[], Exception] | None = None) -> Any:
        """Returns the channel to close, or None; if it is for good, `ended` makes the error of each further use."""
        with self.__lock:
            opened, self.__opened = self.__opened, None
            self.__ended = self.__ended or ended
            for name in () if opened is None else opened.attributes:
                vars(self).pop(name, None)  # a test may have deleted what it had replaced
            return opened and opened.channel

    def close(self) -> Any:
        """Close the channel, which cancels the calls in progress. On grpc.aio, it is `aclose`, and to be awaited."""
        if self.__is_aio:
            return self.aclose()
        if channel := self.__take():
            channel.close()
        return None

    async def aclose(self) -> None:
        """Close a channel of grpc.aio, and drop every reference to it.

        grpc.aio has one thread and two sockets for all its channels, and keeps them while a channel is referenced.
        """
        name = self.__name
        problem = f"this client of {name} is closed; take service({name!r}).aio.client anew"
        if channel := self.__take(partial(grpc.aio.UsageError, problem)):
            await channel.close()

    def __getitem__(self, full_name: str) -> ServiceStub:
        """The service with a full name, such as "acme.v1.Refunds"; raises KeyError if there is none."""
        services = self.__use().services
        if full_name in services:
            return services[full_name]
        known = sorted(services)
        raise KeyError(f"{self.__name} has no service {full_name!r}{did_you_mean(full_name, known)}; {listing(known)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # looked up by copy and pickle
            raise AttributeError(name)
        opened = self.__use()
        if name in opened.attributes:  # the channel was closed
            return opened.attributes[name]
        if name in opened.ambiguous:
            raise AttributeError(f"{name!r} is ambiguous in {self.__name}; use {' or '.join(opened.ambiguous[name])}")
        known = sorted({*opened.attributes, *opened.ambiguous} - {"channel"})
        hint = did_you_mean(name, known)
        raise AttributeError(f"{self.__name} has no rpc or service {name!r}{hint}; {listing(known)}")

    def __repr__(self) -> str:
        opened = self.__opened
        return f"<gRPC client of {self.__name}: {'closed' if opened is None else ', '.join(opened.services)}>"


# no methods, because an rpc may have any name


def is_closed(client: Client) -> bool:
    """Whether it has ended: `aclose` or its service has closed it."""
    return client._Client__ended is not None  # noqa: SLF001 - of the class above


def end(client: Client) -> None:
    """Close the channel of a client that its service does not use any more."""
    name = client._Client__name  # noqa: SLF001 - likewise
    problem = f"this client of {name} is closed; take service({name!r}).client anew"
    if channel := client._Client__take(partial(ValueError, problem)):  # noqa: SLF001 - likewise
        channel.close()
