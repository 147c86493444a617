"""Loads the stubs of a service from its folder: messages, client stubs and base classes of servicers."""

from __future__ import annotations

import hashlib
import os
import shlex
import threading
from functools import cached_property, partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from architect_core.contract import STUBS_FOLDER, listing, stub_folder
from architect_core.exceptions import StubError
from architect_grpc import definition_set
from architect_grpc.client import stub_class
from architect_grpc.descriptors import is_well_known, module_name
from architect_grpc.installed import import_owners
from architect_grpc.messages import Messages, contents
from architect_grpc.pool import add
from architect_grpc.rpc import rpc_service
from architect_grpc.servicer import add_to_server, combined, servicer_class

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from architect_grpc.client import ServiceStub
    from architect_grpc.pool import Pools
    from architect_grpc.rpc import RpcService
    from architect_grpc.servicer import ServicerBase

_lock = threading.RLock()
_loaded: dict[tuple[Path, bytes], Stubs] = {}  # by the folder, and a hash of its definitions
_by_state: dict[tuple[int, ...], Stubs] = {}


class Stubs:
    """The classes made from a service's definitions.

    Attributes:
        messages: all messages and enums, by name.
    """

    def __init__(self, service: str, pools: Pools, listed: list[str]) -> None:
        """Make the classes of the messages; those of the services follow on first use.

        Args:
            service: the service's name, such as "acme/payment-api".
            pools: the descriptors of the definitions.
            listed: the files that the service's manifest lists.
        """
        self._service = service
        self._package = _package(service)
        self._pools = pools
        self._files = {file.name: file for file in pools.files}
        self._listed = listed
        self._modules: dict[str, ModuleType] = {}
        self._servicer_classes: dict[str, type[ServicerBase]] = {}
        for file in pools.files:
            self._modules[file.name] = self._module(file)
        others = [file for file in self._files if file not in listed]
        imported = [file for file in others if not is_well_known(file)]
        ranks = (listed, imported, [file for file in others if is_well_known(file)])
        modules = [[(self._files[file], self._modules[file]) for file in rank] for rank in ranks]
        self.messages = Messages(service, modules)

    def messages_of(self, file: str) -> dict[str, Any]:
        """The content of the module `x_pb2` of a definition file."""
        return {name: value for name, value in vars(self._modules[file]).items() if not name.startswith("__")}

    def services_of(self, file: str) -> dict[str, Any]:
        """The content of the module `x_pb2_grpc` of a definition file."""
        found: dict[str, Any] = {}
        module = f"{self._package}.{module_name(file)}_grpc"
        for service in self._described([file]):
            found[f"{service.name}Stub"] = found[f"{service.name}AsyncStub"] = stub_class(service, module)
            found[f"{service.name}Servicer"] = self._servicer_class(service)
            found[f"add_{service.name}Servicer_to_server"] = partial(add_to_server, service)
        return found

    @cached_property
    def services(self) -> list[type[ServiceStub]]:
        """The stubs of the services in the listed definitions, or in those they import if these have no service.

        Raises:
            StubError: the definitions have no service.
        """
        return [stub_class(service, self._package) for service in self.rpc_services]

    @cached_property
    def servicer(self) -> type[ServicerBase]:
        """The class that `current_service().Servicer` is; raises as `services`."""
        return combined([self._servicer_class(service) for service in self.rpc_services])

    def _servicer_class(self, service: RpcService) -> type[ServicerBase]:
        """The class of the service, which is the same for `.Servicer` and for the generated module."""
        module = f"{self._package}.{module_name(service.file)}_grpc"
        return self._servicer_classes.setdefault(service.full_name, servicer_class(service, module))

    @cached_property
    def rpc_services(self) -> list[RpcService]:
        """The services of the listed definitions, or of those they import if these have none; raises as `services`."""
        own = [file for file in self._files if not is_well_known(file)]
        services = self._described(self._listed) or self._described(own)
        if not services:
            raise StubError(f"the definitions of {self._service} ({', '.join(self._listed)}) define no service")
        return services

    def _described(self, files: Iterable[str]) -> list[RpcService]:
        found = [self._files[file] for file in files]
        return [rpc_service(each, file, self._pools.message_class) for file in found for each in file.service]

    def _module(self, file: FileDescriptorProto) -> ModuleType:
        if is_well_known(file.name) and self._pools.is_shared(file):
            return import_module(module_name(file.name))
        module = ModuleType(f"{self._package}.{module_name(file.name)}", f"The messages of {file.name}.")
        for index in file.public_dependency:  # protoc generates `from imported import *`
            imported = vars(self._modules[file.dependency[index]])
            vars(module).update({key: value for key, value in imported.items() if not key.startswith("_")})
        vars(module).update(contents(file, self._pools))
        return module


def _package(service: str) -> str:
    return f"{STUBS_FOLDER}.{stub_folder(service).replace('/', '.')}"


def load(folder: Path, service: str) -> Stubs:
    """The stubs of `service` in `folder`, an `architect_services` folder; the same object for the same content.

    Nothing is imported by name, so neither `sys.path` nor the file names of other services matter.

    Raises:
        StubError: there are none, or they cannot be used; the message says what to run.
    """
    name = stub_folder(service)
    stubs = folder.absolute() / name
    state = _state(stubs)
    found = _by_state.get(state) if state else None
    if found is None:
        found = _load(folder, name, service, stubs)
        if state:
            _by_state[state] = found
    return found


def _state(stubs: Path) -> tuple[int, ...] | None:
    """What changes with the content of a service's folder; None if there is none.

    Every generated module loads the definitions, so they are not read to find out that they are as they were.
    """
    try:
        folder, file = os.stat(stubs), os.stat(f"{stubs}/{definition_set.FILE_NAME}")  # noqa: PTH116 - it takes half the time
    except OSError:
        return None
    # ctime and not mtime alone, which some programs restore
    return folder.st_dev, folder.st_ino, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns


def _load(folder: Path, name: str, service: str, stubs: Path) -> Stubs:
    content = _read(stubs, name, service)
    # resolved, because the classes of a private pool must exist once, however the folder is spelled
    key = stubs.resolve(), hashlib.sha256(content).digest()
    if key not in _loaded:
        try:
            files, listed = definition_set.unpack(content)
            taken = import_owners(files)  # without the lock, because a module may load stubs when it is imported
            with _lock:  # a pool may be changed by one thread at a time
                if key not in _loaded:
                    pools = add(files, _package(service), definition_set.clashing(folder, name), taken)
                    _loaded[key] = Stubs(service, pools, listed)
        except ValueError as problem:
            reason = str(problem)
        except (TypeError, KeyError):  # protobuf's errors for definitions that contradict themselves
            reason = "is not accepted by the installed protobuf"
        else:
            return _loaded[key]
        raise _error(f"{stubs / definition_set.FILE_NAME} {reason}", stubs, name)
    return _loaded[key]


def messages_of(stubs: Path, file: str) -> dict[str, Any]:
    """For the generated module `x_pb2`: its content. `stubs` is the service's folder."""
    return _load_from(stubs).messages_of(file)


def services_of(stubs: Path, file: str) -> dict[str, Any]:
    """For the generated module `x_pb2_grpc`: its content. `stubs` is the service's folder."""
    return _load_from(stubs).services_of(file)


def _load_from(stubs: Path) -> Stubs:
    folder = next((parent for parent in stubs.parents if parent.name == STUBS_FOLDER), stubs.parent)
    return load(folder, stubs.relative_to(folder).as_posix())


def _read(stubs: Path, name: str, service: str) -> bytes:
    path = stubs / definition_set.FILE_NAME
    try:
        return path.read_bytes()
    except FileNotFoundError:
        reason = f"the stubs in {stubs} were written by another tool than this architect install"
        if not stubs.is_dir():
            folder = stubs.parents[name.count("/")]
            there = sorted(each.parent.relative_to(folder).as_posix() for each in folder.rglob(path.name))
            reason = (
                f"there are no stubs of {service} in {folder}; {listing(there, 'there')}. The service must be listed "
                "under `dependencies` in architect.json"
            )
    except OSError as problem:
        reason = f"{path} cannot be read ({problem.strerror})"
    raise _error(reason, stubs, name)


def _error(reason: str, stubs: Path, name: str) -> StubError:
    root = stubs.parents[name.count("/") + 1]
    return StubError(f"{reason}. Run: architect install --prefix {shlex.quote(str(root))}")


def _after_fork_in_child() -> None:
    """Make a new lock: another thread of the parent may hold the former, and does not exist in the child."""
    global _lock  # noqa: PLW0603 - the module's own
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
