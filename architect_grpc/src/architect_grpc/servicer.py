"""Base classes of servicers, and their registration with a server."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from architect_grpc.rpc import Rpc, RpcService


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


def add_servicer(services: Sequence[RpcService], servicer: Any, server: Any) -> None:
    """Register `servicer` with `server` for the services that its class says; see `served_by`."""
    for service in served_by(servicer, services):
        add_to_server(service, servicer, server)


def served_by(servicer: Any, services: Sequence[RpcService]) -> list[RpcService]:
    """The services whose generated classes `servicer` extends, without those of which it implements no rpc.

    An object that extends no generated class serves the services whose rpcs it has, if its methods leave no doubt.

    Raises:
        TypeError: there is no such service, or the methods of a class that extends none fit several.
    """
    names = extended_services(servicer)
    if names:
        extended = [service for service in services if service.full_name in names]
        served = [each for each in extended if any(implements(servicer, rpc) for rpc in each.rpcs)] or extended
    else:
        served = _fitting(servicer, services)
    if not served:
        known = ", ".join(service.full_name for service in services)
        raise TypeError(
            f"a {type(servicer).__name__} implements none of {known}; "
            "pass an instance of a subclass of current_service().Servicer"
        )
    return served


def extended_services(servicer: Any) -> set[str]:
    """The full names of the services whose generated classes `servicer` extends."""
    classes = [vars(base).get("architect_service") for base in type(servicer).__mro__]
    return {service.full_name for service in classes if service is not None}


def implements(servicer: Any, rpc: Rpc) -> bool:
    """Whether it has a method for `rpc` that is not the generated class's, which answers UNIMPLEMENTED."""
    method = getattr(servicer, rpc.name, _unimplemented)
    return getattr(method, "__func__", method) is not _unimplemented


def _fitting(servicer: Any, services: Sequence[RpcService]) -> list[RpcService]:
    """The services that the methods of `servicer` are for; the one with fewer of them is not meant."""
    has = [(each, {rpc.name for rpc in each.rpcs if implements(servicer, rpc)}) for each in services]
    fitting = [(each, rpcs) for each, rpcs in has if rpcs and not any(rpcs < more for _, more in has)]
    for (one, rpcs), (other, others) in combinations(fitting, 2):
        if rpcs & others:
            raise TypeError(
                f"{one.full_name} and {other.full_name} both have an rpc {min(rpcs & others)!r}, and a "
                f"{type(servicer).__name__} does not say which one it implements; let it extend "
                f"current_service().Servicer[{one.full_name!r}], or that of the other"
            )
    return [each for each, _ in fitting]


def add_to_server(service: RpcService, servicer: Any, server: Any) -> None:
    """The function that generated code calls `add_<service>Servicer_to_server`.

    A missing method answers UNIMPLEMENTED.
    """
    handlers = {
        rpc.name: rpc.handler(getattr(servicer, rpc.name)) for rpc in service.rpcs if hasattr(servicer, rpc.name)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    if hasattr(server, "add_registered_method_handlers"):
        server.add_registered_method_handlers(service.full_name, handlers)


def _unimplemented(self: Any, request: Any, context: Any) -> NoReturn:  # noqa: ARG001 - a servicer's signature
    """Answer UNIMPLEMENTED."""
    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    context.set_details("Method not implemented!")
    raise NotImplementedError("Method not implemented!")
