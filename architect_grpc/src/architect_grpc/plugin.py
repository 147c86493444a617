"""The entry point "grpc"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from architect_core import contract
from architect_core.contract import STUBS_FOLDER, hookimpl
from architect_grpc.settings import GrpcOptions

if TYPE_CHECKING:
    from types import ModuleType

    from architect_core.contract import ClientFactory, DoubleFactory, ReadinessProbe, StubGenerator, Target
    from architect_grpc.client import Client
    from architect_grpc.messages import Messages
    from architect_grpc.stubs import Stubs

ARCHITECT_CONTRACT = 2

# This module imports neither grpc nor protobuf: they are imported with the first client.


class GrpcClientFactory(contract.ClientFactory):
    """Makes clients from the stubs that `architect install` has generated."""

    Options = GrpcOptions

    def client(self, target: Target) -> Client:
        """The rpcs of the target's definitions, on a channel to its host and port."""
        import grpc

        return _client(target, grpc)

    def aio_client(self, target: Target) -> Client:
        """The same on a channel of `grpc.aio`, which belongs to the running loop."""
        import grpc.aio

        return _client(target, grpc.aio)

    def definitions(self, target: Target) -> Messages:
        """The messages and enums of the target's definitions."""
        return _stubs(target).messages

    def servicer(self, target: Target) -> Any:
        """The base class of an implementation."""
        return _stubs(target).servicer

    def add_servicer(self, target: Target, servicer: Any, server: Any) -> None:
        """Register an implementation with a `grpc.Server` or `grpc.aio.Server`; TypeError if it serves none."""
        from architect_grpc.servicer import add_servicer

        add_servicer(_stubs(target).rpc_services, servicer, server)

    def close(self, client: Any) -> None:
        """Close the channel."""
        from architect_grpc.client import end

        end(client)

    async def aio_close(self, client: Any) -> None:
        """Close the channel."""
        # the method of the class, because an rpc may have its name
        await type(client).aclose(client)

    def aio_is_closed(self, client: Any) -> bool:
        """Whether the application has closed it."""
        from architect_grpc.client import is_closed

        return is_closed(client)


def _client(target: Target, library: ModuleType) -> Client:
    from architect_grpc.call import Defaults
    from architect_grpc.channel import auth_metadata, open_channel
    from architect_grpc.client import Client
    from architect_grpc.interceptors import additions_of, holding

    stubs = _stubs(target).services
    additions, metadata = additions_of(target.name), auth_metadata(target)
    wrap = holding if additions.interceptors_of(library) else None
    defaults = Defaults(target.options.total_timeout, metadata, target.observer, wrap)
    open_ = partial(open_channel, target, [stub.service for stub in stubs], library, additions, metadata)
    return Client(target.name, open_, stubs, defaults)


def _stubs(target: Target) -> Stubs:
    from architect_grpc.stubs import load

    return load(target.find_root() / STUBS_FOLDER, target.name)


@hookimpl
def architect_client_factory() -> ClientFactory:
    return GrpcClientFactory()


@hookimpl
def architect_stub_generator() -> StubGenerator:
    from architect_grpc.generator import GrpcStubGenerator

    return GrpcStubGenerator()


@hookimpl
def architect_readiness_probe() -> ReadinessProbe:
    from architect_grpc.readiness import GrpcReadinessProbe

    return GrpcReadinessProbe()


@hookimpl
def architect_double_factory() -> DoubleFactory:
    from architect_grpc.double import GrpcDoubleFactory

    return GrpcDoubleFactory()
