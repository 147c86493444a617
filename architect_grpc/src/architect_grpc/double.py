"""Stands in for a gRPC service in an application's tests, with a server in the test's process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from architect_core.contract import STUBS_FOLDER, Double, DoubleFactory
from architect_grpc.servicer import extended_services, implements
from architect_grpc.stubs import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from architect_core.contract import DoubleTarget
    from architect_grpc.rpc import Rpc, RpcService


class GrpcDoubleFactory(DoubleFactory):
    """Stands in for gRPC services.

    The behaviour is a servicer: a class, or any object with methods named like the service's rpcs.

        class Payments:
            def Pay(self, request, context):
                if request.amount < 0:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too little")
                return defs.PayResponse(output=request.amount * 2)

        types.SimpleNamespace(Pay=lambda request, context: defs.PayResponse(output=1))

    An rpc without a method answers UNIMPLEMENTED. With several services in the definitions, the behaviour may be a list
    of servicers: the first that has a method for an rpc serves it. A servicer that extends a generated class serves
    the service of that class only.
    """

    def double(self, target: DoubleTarget) -> GrpcDouble:
        """Returns a double whose server listens.

        Raises:
            StubError: the service has no stubs; the message says what to run.
            TypeError: the behaviour has a method for none of the rpcs, or an async one.
        """
        stubs = load(target.find_root() / STUBS_FOLDER, target.name)
        services = stubs.rpc_services
        implemented: dict[RpcService, dict[str, Callable[..., Any]]] = {service: {} for service in services}
        behaviours = target.behaviour if isinstance(target.behaviour, list | tuple) else [target.behaviour]
        for behaviour in behaviours:
            servicer = behaviour() if isinstance(behaviour, type) else behaviour
            for service, rpc in _rpcs_of(servicer, services, target.name):
                implemented[service].setdefault(rpc.name, _method(servicer, rpc, target.name))
        return GrpcDouble(target.name, implemented)


def _rpcs_of(servicer: Any, services: Sequence[RpcService], name: str) -> list[tuple[RpcService, Rpc]]:
    """The rpcs that `servicer` implements: of the services whose class it extends, or else of all services."""
    extended = extended_services(servicer)
    served = [service for service in services if not extended or service.full_name in extended]
    found = [(service, rpc) for service in served for rpc in service.rpcs if implements(servicer, rpc)]
    if not found:
        rpcs = ", ".join(rpc.name for service in services for rpc in service.rpcs)
        raise TypeError(
            f"the double of {name} is given a {type(servicer).__name__}, which has none of its rpcs; give a servicer "
            f"class, or an object with methods of (request, context): {rpcs}"
        )
    return found


def _method(servicer: Any, rpc: Rpc, name: str) -> Callable[..., Any]:
    method: Any = getattr(servicer, rpc.name)
    if not callable(method) or iscoroutinefunction(method) or isasyncgenfunction(method):
        what = "is async" if callable(method) else f"is a {type(method).__name__}"
        raise TypeError(
            f"the double of {name}: {type(servicer).__name__}.{rpc.name} {what}; give a plain method of "
            "(request, context)"
        )
    return method  # type: ignore[no-any-return]


class GrpcDouble(Double):
    """The double of one service.

    Attributes:
        requests: `(rpc, message)` for each message received, such as `("Pay", PayRequest(amount=10))`; of a request
            stream, those that the servicer has read.
    """

    def __init__(self, name: str, implemented: Mapping[RpcService, Mapping[str, Callable[..., Any]]]) -> None:
        self._threads = ThreadPoolExecutor(32, thread_name_prefix=f"double-of-{name}")
        # without SO_REUSEPORT, by which another process could listen on the port too
        self._server = grpc.server(self._threads, options=[("grpc.so_reuseport", 0)])
        super().__init__({"host": "127.0.0.1", "port": self._server.add_insecure_port("127.0.0.1:0")})
        for service, methods in implemented.items():
            handlers = {
                rpc.name: rpc.handler(methods.get(rpc.name) or _unimplemented(name, rpc), self._recording(rpc))
                for rpc in service.rpcs
            }
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        self._server.start()

    def _recording(self, rpc: Rpc) -> Callable[[bytes], Any]:
        def deserialize(data: bytes) -> Any:
            # a copy of its own is recorded, because the servicer may change its message
            self.requests.append((rpc.name, rpc.request.FromString(data)))
            return rpc.request.FromString(data)

        return deserialize

    def close(self) -> None:
        """Stop the server, which cancels the calls in progress."""
        self._server.stop(None).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _unimplemented(name: str, rpc: Rpc) -> Callable[[Any, grpc.ServicerContext], NoReturn]:
    def answer(_request: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the double of {name} does not implement {rpc.name}")

    return answer
