"""What calls the rpcs of a service's definitions."""

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
    """The rpcs of one service; each is a plain attribute that holds a multicallable."""

    service: ClassVar[RpcService]

    def __init__(self, channel: AnyChannel, defaults: Defaults | None = None) -> None:
        """Register the rpcs with `channel`; the multicallables are grpc's own unless there are `defaults`."""
        untyped: Any = channel  # `_registered_method` is what generated code passes, and no type stub has it
        is_aio = isinstance(channel, grpc.aio.Channel)
        for rpc in type(self).service.rpcs:
            call = getattr(untyped, rpc.kind)(
                rpc.path,
                request_serializer=rpc.request.SerializeToString,
                response_deserializer=rpc.response.FromString,
                _registered_method=True,
            )
            vars(self)[rpc.name] = (
                call if defaults is None else call_class(rpc.kind, is_aio=is_aio)(call, rpc, defaults)
            )

    def __getattr__(self, name: str) -> Any:
        known = sorted(vars(self))
        service = type(self).service.full_name
        raise AttributeError(f"{service} has no rpc {name!r}{did_you_mean(name, known)}; {listing(known)}")


def stub_class(service: RpcService, module: str) -> type[ServiceStub]:
    """The class that generated code calls `<service>Stub`; its instances take a channel, also one of `grpc.aio`."""
    content = {"service": service, "__module__": module, "__doc__": f"The rpcs of {service.full_name}."}
    return type(f"{service.name}Stub", (ServiceStub,), content)


class Client:
    """The rpcs of all services in a dependency's definitions, on one channel.

        client.Pay(request, timeout=5)           # an rpc that only one service has
        client.Refunds.Create(request)           # an rpc of the service Refunds
        client["acme.v1.Refunds"].Create(...)    # a service by its full name, which is never ambiguous

    An rpc is one of grpc's multicallables: `timeout` (seconds), `metadata`, `.future` and `.with_call` are as in grpc's
    documentation, and so are the errors. With several services, a service's name wins over another's rpc of that name.

    On a channel of grpc.aio, an rpc is one of grpc.aio's multicallables: `await client.Pay(request, timeout=5)`.

    Attributes:
        channel: the `grpc.Channel` or `grpc.aio.Channel`, unless an rpc or a service is called that; a stub that is
            made of it has neither the deadlines nor the option `auth` of these rpcs, and is not observed.
    """

    def __init__(self, name: str, channel: AnyChannel, stubs: Sequence[type[ServiceStub]], defaults: Defaults) -> None:
        """Make the rpcs of `stubs`, which belong to the service that is configured as `name`."""
        # mangled, because any plainer name may be an rpc's
        self.__name = name
        self.__channel: Any = channel
        self.__closed = False
        self.__services = {stub.service.full_name: stub(channel, defaults) for stub in stubs}
        rpcs: dict[str, list[tuple[str, Any]]] = {}
        services: dict[str, list[tuple[str, Any]]] = {}
        for full_name, stub in self.__services.items():
            services.setdefault(type(stub).service.name, []).append((f"client[{full_name!r}]", stub))
        for full_name, stub in self.__services.items():
            simple = type(stub).service.name
            spelling = f"client.{simple}" if len(services[simple]) == 1 else f"client[{full_name!r}]"
            for rpc, call in vars(stub).items():
                rpcs.setdefault(rpc, []).append((f"{spelling}.{rpc}", call))
        # the later wins
        choices = rpcs | services if len(stubs) > 1 else services | rpcs
        self.__ambiguous = {key: [spelling for spelling, _ in found] for key, found in choices.items() if found[1:]}
        self.__names = sorted(choices)
        vars(self).update({"channel": channel} | {key: found[0][1] for key, found in choices.items() if not found[1:]})

    def close(self) -> None:
        """Close the channel; calls that are under way are cancelled."""
        self.__channel.close()

    async def aclose(self) -> None:
        """Close a channel of grpc.aio, and let go of it.

        grpc.aio has a thread and two sockets for all of its channels, and keeps them while anything refers to one.
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
        """The service with this full name, such as "acme.v1.Refunds"; KeyError where there is none."""
        self.__check_open()
        try:
            return self.__services[full_name]
        except KeyError:
            known = sorted(self.__services)
        raise KeyError(f"{self.__name} has no service {full_name!r}{did_you_mean(full_name, known)}; {listing(known)}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy and pickle look for
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
    closed: bool = client._Client__closed  # noqa: SLF001 - the class's own
    return closed
