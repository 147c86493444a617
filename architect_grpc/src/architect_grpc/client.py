"""The client of a dependency: the rpcs of the services in its definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import grpc

from architect_core.contract import did_you_mean, listing
from architect_grpc.call import call_class

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Client:
    """The rpcs of all services in a dependency's definitions, on one channel.

        client.Pay(request, timeout=5)           # an rpc that only one service has
        client.Refunds.Create(request)           # an rpc of the service Refunds
        client["acme.v1.Refunds"].Create(...)    # a service by its full name, which is never ambiguous

    An rpc is one of grpc's multicallables: `timeout` (seconds), `metadata`, `.future`, `.with_call` and the errors are
    those of grpc's documentation. If there are several services, a service's name wins over an equal name of an rpc.

    On a channel of grpc.aio, an rpc is one of grpc.aio's multicallables: `await client.Pay(request, timeout=5)`.

    Attributes:
        channel: the `grpc.Channel` or `grpc.aio.Channel`, unless an rpc or a service has that name. A stub made with it
            adds no deadline and no `auth`, and is not observed.
    """

    def __init__(self, name: str, channel: AnyChannel, stubs: Sequence[type[ServiceStub]], defaults: Defaults) -> None:
        """Make the rpcs of `stubs` for the dependency `name`."""
        # attributes of its own are mangled, because an rpc may have any other name
        self.__name = name
        self.__channel: Any = channel
        self.__closed = False
        self.__services = {stub.service.full_name: stub(channel, defaults) for stub in stubs}
        services: dict[str, list[tuple[str, Any]]] = {}
        rpcs: dict[str, list[tuple[str, Any]]] = {}
        for full_name, service in self.__services.items():
            services.setdefault(type(service).service.name, []).append((f"client[{full_name!r}]", service))
        for simple, found in services.items():
            for spelling, service in found:
                prefix = spelling if found[1:] else f"client.{simple}"
                for rpc, call in vars(service).items():
                    rpcs.setdefault(rpc, []).append((f"{prefix}.{rpc}", call))
        choices = rpcs | services if stubs[1:] else services | rpcs  # of equal names, the later wins
        self.__ambiguous = {key: [spelling for spelling, _ in found] for key, found in choices.items() if found[1:]}
        self.__names = sorted(choices)
        vars(self).update({"channel": channel} | {key: found[0][1] for key, found in choices.items() if not found[1:]})

    def close(self) -> None:
        """Close the channel, which cancels the calls in progress."""
        self.__channel.close()

    async def aclose(self) -> None:
        """Close a channel of grpc.aio, and drop every reference to it.

        grpc.aio has one thread and two sockets for all its channels, and keeps them while a channel is referenced.
        """
        await self.__channel.close()
        name = self.__name
        vars(self).clear()
        self.__name, self.__services, self.__closed = name, {}, True

    def __check_open(self) -> None:
        if self.__closed:
            name = self.__name
            raise grpc.aio.UsageError(f"this client of {name} is closed; take service({name!r}).aio.client anew")

    def __getitem__(self, full_name: str) -> ServiceStub:
        """The service with a full name, such as "acme.v1.Refunds"; raises KeyError if there is none."""
        self.__check_open()
        try:
            return self.__services[full_name]
        except KeyError:
            known = sorted(self.__services)
        raise KeyError(f"{self.__name} has no service {full_name!r}{did_you_mean(full_name, known)}; {listing(known)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # looked up by copy and pickle
            raise AttributeError(name)
        self.__check_open()
        if name in self.__ambiguous:
            raise AttributeError(f"{name!r} is ambiguous in {self.__name}; use {' or '.join(self.__ambiguous[name])}")
        hint = did_you_mean(name, self.__names)
        raise AttributeError(f"{self.__name} has no rpc or service {name!r}{hint}; {listing(self.__names)}")

    def __repr__(self) -> str:
        return f"<gRPC client of {self.__name}: {', '.join(self.__services) or 'closed'}>"


def is_closed(client: Client) -> bool:
    """Whether `aclose` has closed it; no method, because an rpc may have any name."""
    closed: bool = client._Client__closed  # noqa: SLF001 - of the class above
    return closed
