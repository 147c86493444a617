"""Base classes of servicers, and their registration with a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_grpc.rpc import RpcService


class ServicerBase:
    """The base of all base classes; `servicer_class` makes a subclass for each service."""

    architect_service: ClassVar[RpcService]


def servicer_class(service: RpcService, module: str) -> type[ServicerBase]:
    """The class that generated code calls `<service>Servicer`; its methods answer UNIMPLEMENTED."""
    methods = dict.fromkeys((rpc.name for rpc in service.rpcs), _unimplemented)
    content = {"architect_service": service, "__module__": module, "__doc__": f"Implements {service.full_name}."}
    return type(f"{service.name}Servicer", (ServicerBase,), methods | content)


def combined(servicers: Sequence[type[ServicerBase]]) -> type[ServicerBase]:
    """The class that `current_service().Servicer` is.

    It is the class of the only service, or a subclass of the classes of all services, with each of them as an
    attribute: `Servicer` is then the base of a class that implements all, `Servicer.Refunds` of one that implements
    Refunds. `Servicer["acme.v1.Refunds"]` is a class by its service's full name, which is never ambiguous.
    """
    if len(servicers) == 1:
        return servicers[0]
    by_full_name = {servicer.architect_service.full_name: servicer for servicer in servicers}
    names = [servicer.architect_service.name for servicer in servicers]
    names += {rpc.name for servicer in servicers for rpc in servicer.architect_service.rpcs}
    nested = {base.architect_service.name: base for base in servicers if names.count(base.architect_service.name) == 1}
    content = nested | {
        "__doc__": f"Implements {', '.join(by_full_name)}.",
        "__class_getitem__": classmethod(lambda _, full_name: by_full_name[full_name]),
    }
    return type("Servicer", tuple(servicers), content)


def add_servicer(servicers: Sequence[type[ServicerBase]], servicer: Any, server: Any) -> None:
    """Register `servicer` with `server` for every service whose base class it extends.

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
    """The function that generated code calls `add_<service>Servicer_to_server`."""
    handlers = {rpc.name: rpc.handler(getattr(servicer, rpc.name)) for rpc in service.rpcs}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    if hasattr(server, "add_registered_method_handlers"):
        server.add_registered_method_handlers(service.full_name, handlers)


def _unimplemented(self: Any, request: Any, context: Any) -> NoReturn:  # noqa: ARG001 - a servicer's signature
    """Answer UNIMPLEMENTED."""
    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    context.set_details("Method not implemented!")
    raise NotImplementedError("Method not implemented!")
