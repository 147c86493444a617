"""Loads the stubs of a service from its folder: messages, callers and base classes for servers."""

from __future__ import annotations

import os
import shlex
import threading
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from architect_core.contract import STUBS_FOLDER, listing, stub_folder
from architect_core.exceptions import StubError
from architect_grpc import definition_set
from architect_grpc.client import stub_class
from architect_grpc.descriptors import is_well_known, module_name
from architect_grpc.isolation import is_isolated
from architect_grpc.messages import Messages, contents
from architect_grpc.pool import isolate, share
from architect_grpc.rpc import rpc_service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from google.protobuf.descriptor import FileDescriptor

    from architect_grpc.client import ServiceStub
    from architect_grpc.rpc import RpcService
    from architect_grpc.servicer import ServicerBase

_lock = threading.RLock()
_loaded: dict[tuple[Path, bytes], Stubs] = {}


class Stubs:
    """What a service's definitions give.

    Attributes:
        messages: all messages and enums under one roof.
        shared: whether they are in protobuf's default pool, and so accept `google.protobuf`'s own objects.
    """

    def __init__(self, service: str, files: Mapping[str, FileDescriptor], listed: list[str], *, shared: bool) -> None:
        """Make them.

        Args:
            service: the service's name, such as "acme/payment-api".
            files: definition file -> its descriptor in a pool, each after those it imports.
            listed: the files that the service's manifest lists.
            shared: whether the pool is protobuf's default one.
        """
        self.shared = shared
        self._service = service
        self._package = f"{STUBS_FOLDER}.{stub_folder(service).replace('/', '.')}"
        self._files = files
        self._listed = listed
        self._modules: dict[str, ModuleType] = {}
        in_pool = {descriptor.name: file for file, descriptor in files.items()}
        for file, descriptor in files.items():
            public = [self._modules[in_pool[each.name]] for each in descriptor.public_dependencies]
            self._modules[file] = self._module(file, descriptor, public)
        others = [file for file in files if file not in listed]
        imported = [file for file in others if not is_well_known(file)]
        ranks = (listed, imported, [file for file in others if is_well_known(file)])
        self.messages = Messages(service, [[(files[file], self._modules[file]) for file in rank] for rank in ranks])

    def messages_of(self, file: str) -> dict[str, Any]:
        """What the module `x_pb2` of one definition file holds."""
        return {name: value for name, value in vars(self._modules[file]).items() if not name.startswith("__")}

    def services_of(self, file: str) -> dict[str, Any]:
        """What the module `x_pb2_grpc` of one definition file holds."""
        from architect_grpc.servicer import add_to_server, servicer_class

        found: dict[str, Any] = {}
        for service in self._described([file]):

            def register(servicer: object, server: object, service: RpcService = service) -> None:
                add_to_server(service, servicer, server)

            module = f"{self._package}.{module_name(file)}_grpc"
            found[f"{service.name}Stub"] = stub_class(service, module)
            found[f"{service.name}Servicer"] = servicer_class(service, module)
            found[f"add_{service.name}Servicer_to_server"] = register
        return found

    @cached_property
    def services(self) -> list[type[ServiceStub]]:
        """The callers of the services in the listed definitions, or, where these have none, in those they import.

        Raises:
            StubError: there is no service in the definitions.
        """
        return [stub_class(service, self._package) for service in self._served()]

    @cached_property
    def servicers(self) -> list[type[ServicerBase]]:
        """Their base classes for an implementation; raises as `services` does."""
        from architect_grpc.servicer import servicer_class

        return [servicer_class(service, self._package) for service in self._served()]

    @cached_property
    def servicer(self) -> type[ServicerBase]:
        """What `current_service().Servicer` gives."""
        from architect_grpc.servicer import combined

        return combined(self.servicers)

    def add_servicer(self, servicer: object, server: object) -> None:
        """Register `servicer` with a `grpc.Server` or a `grpc.aio.Server`; TypeError if it implements no service."""
        from architect_grpc.servicer import add_servicer

        add_servicer(self.servicers, servicer, server)

    def _served(self) -> list[RpcService]:
        own = [file for file in self._files if not is_well_known(file)]
        services = self._described(self._listed) or self._described(own)
        if not services:
            raise StubError(f"the definitions of {self._service} ({', '.join(self._listed)}) define no service")
        return services

    def _described(self, files: list[str]) -> list[RpcService]:
        return [rpc_service(service, file) for file in files for service in self._files[file].services_by_name.values()]

    def _module(self, file: str, descriptor: FileDescriptor, public: list[ModuleType]) -> ModuleType:
        if self.shared and is_well_known(file):
            return import_module(module_name(file))
        name = f"{self._package}.{module_name(file)}"
        module = ModuleType(name, f"The messages of {file}.")
        for imported in public:  # as by protoc, which writes `from imported import *`
            vars(module).update({key: value for key, value in vars(imported).items() if not key.startswith("_")})
        vars(module).update(contents(descriptor, name))
        return module


def load(folder: Path, service: str) -> Stubs:
    """The stubs of `service` in `folder`, an `architect_services` folder; the same object for the same content.

    Nothing is imported by name, so neither `sys.path` nor what another service's files are called matters.

    Raises:
        StubError: there are none, or they cannot be used; the message says what to run.
    """
    name = stub_folder(service)
    place = folder.absolute() / name
    content = _read(place, name, service)
    key = place.resolve(), content  # however the folder was spelled, because a private pool's classes must exist once
    with _lock:  # pools are changed by one thread at a time
        if key not in _loaded:
            _loaded[key] = _load(place, name, service, content, isolated=is_isolated(folder, name))
        return _loaded[key]


def messages_of(place: Path, file: str) -> dict[str, Any]:
    """For the generated module `x_pb2`: what it holds. `place` is the service's stub folder."""
    return _load_from(place).messages_of(file)


def services_of(place: Path, file: str) -> dict[str, Any]:
    """For the generated module `x_pb2_grpc`: what it holds. `place` is the service's stub folder."""
    return _load_from(place).services_of(file)


def _load_from(place: Path) -> Stubs:
    folder = next((parent for parent in place.parents if parent.name == STUBS_FOLDER), place.parent)
    return load(folder, place.relative_to(folder).as_posix())


def _load(place: Path, name: str, service: str, content: bytes, *, isolated: bool) -> Stubs:
    reason = ""
    try:
        files, listed = definition_set.unpack(content)
        shared = None if isolated else share(files, f"{STUBS_FOLDER}/{name}")
        descriptors = shared if shared is not None else isolate(files)
        return Stubs(service, descriptors, listed, shared=shared is not None)
    except ValueError as problem:
        reason = str(problem)
    except (TypeError, KeyError):  # what protobuf raises for definitions that contradict themselves
        reason = "is not accepted by the installed protobuf"
    raise StubError(f"{place / definition_set.FILE_NAME} {reason}. Run: {_command(place, name)}")


def _read(place: Path, name: str, service: str) -> bytes:
    reason = ""
    try:
        return (place / definition_set.FILE_NAME).read_bytes()
    except FileNotFoundError:
        reason = _what_is_there(place, name, service)
    except OSError as problem:
        reason = f"{place / definition_set.FILE_NAME} cannot be read ({problem.strerror})"
    raise StubError(f"{reason}. Run: {_command(place, name)}")


def _what_is_there(place: Path, name: str, service: str) -> str:
    if place.is_dir():
        return f"the stubs in {place} were written by another tool than this architect install"
    folder = place.parents[name.count("/")]
    there = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob(definition_set.FILE_NAME))
    return (
        f"there are no stubs of {service} in {folder}; {listing(there, 'there')}. The service must be listed under "
        "`dependencies` in architect.json"
    )


def _command(place: Path, name: str) -> str:
    return f"architect install --prefix {shlex.quote(str(place.parents[name.count('/') + 1]))}"


def _after_fork_in_child() -> None:
    """Another thread may have held the lock, and does not exist here."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
