"""Base classes for the implementation of services, and how an implementation is registered with a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from architect_grpc.rpc import RpcService


class ServicerBase:
    """The base of all base classes; a subclass that `servicer_class` makes stands for one service."""

    architect_service: ClassVar[RpcService]


def servicer_class(service: RpcService, module: str) -> type[ServicerBase]:
    """The class that generated code calls `<service>Servicer`: what is not overridden answers UNIMPLEMENTED."""
    content = {"architect_service": service, "__module__": module, "__doc__": f"Implements {service.full_name}."}
    return type(
        f"{service.name}Servicer", (ServicerBase,), {rpc.name: _unimplemented for rpc in service.rpcs} | content
    )


def combined(servicers: Sequence[type[ServicerBase]]) -> type[ServicerBase]:
    """What `current_service().Servicer` is.

    With one service, its class. With several, a subclass of all, which has each of them as an attribute too:
    `Servicer` is the base of a class that implements them all, `Servicer.Refunds` of one that implements Refunds;
    `Servicer["acme.v1.Refunds"]` is the same by its full name, which is never ambiguous.
    """
    if len(servicers) == 1:
        return servicers[0]
    rpcs = {rpc.name for servicer in servicers for rpc in servicer.architect_service.rpcs}
    names = [servicer.architect_service.name for servicer in servicers]
    nested = {
        name: servicer
        for name, servicer in zip(names, servicers, strict=True)
        if name not in rpcs and names.count(name) == 1
    }
    by_full_name = {servicer.architect_service.full_name: servicer for servicer in servicers}
    content = nested | {
        "__doc__": f"Implements {', '.join(by_full_name)}.",
        "__class_getitem__": classmethod(lambda _, full_name: by_full_name[full_name]),
    }
    return type("Servicer", tuple(servicers), content)


def add_servicer(servicers: Sequence[type[ServicerBase]], servicer: Any, server: Any) -> None:
    """Register `servicer` with `server` for every service whose class it extends.

    An object that extends none of them is registered for the services of which it has all rpcs.

    Raises:
        TypeError: there is no such service.
    """
    served = [base for base in servicers if isinstance(servicer, base)] or [
        base for base in servicers if all(hasattr(servicer, rpc.name) for rpc in base.architect_service.rpcs)
    ]
    if not served:
        names = ", ".join(base.architect_service.full_name for base in servicers)
        raise TypeError(
            f"a {type(servicer).__name__} implements none of {names}; "
            "pass an instance of a subclass of current_service().Servicer"
        )
    for base in served:
        add_to_server(base.architect_service, servicer, server)


def add_to_server(service: RpcService, servicer: Any, server: Any) -> None:
    """What generated code calls `add_<service>Servicer_to_server`."""
    handlers = {}
    for rpc in service.rpcs:
        handler: Callable[..., Any] = getattr(grpc, f"{rpc.kind}_rpc_method_handler")
        handlers[rpc.name] = handler(
            getattr(servicer, rpc.name),
            request_deserializer=rpc.request.FromString,
            response_serializer=rpc.response.SerializeToString,
        )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    if hasattr(server, "add_registered_method_handlers"):
        server.add_registered_method_handlers(service.full_name, handlers)


def _unimplemented(self: Any, request: Any, context: Any) -> NoReturn:  # noqa: ARG001 - a servicer's signature
    """Answer UNIMPLEMENTED."""
    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    context.set_details("Method not implemented!")
    raise NotImplementedError("Method not implemented!")
