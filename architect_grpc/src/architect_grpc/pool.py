"""Adds definitions to descriptor pools: to protobuf's default one what fits in, and the rest to one of their own.

The default pool holds one definition of each full name, and only messages in it accept `google.protobuf`'s own objects,
such as a `Timestamp`. So definitions share it whenever they can.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from architect_grpc.classes import make_classes
from architect_grpc.definition import definitions_of
from architect_grpc.descriptors import full_name, is_well_known, module_name
from architect_grpc.isolation import isolation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from architect_grpc.definition import Definition
    from architect_grpc.isolation import Isolation

_added: set[str] = set()  # the files that this module has added to the default pool
_WELL_KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")


@dataclass(frozen=True)
class Pools:
    """The descriptors of a service's definitions: each in protobuf's default pool, or in one of the service's own.

    Attributes:
        files: the files, each after those it imports.
        definitions: what they define at the top level, by full name.
        isolation: which of the definitions are in the service's own pool.
        shared: file name -> descriptor, of the files that the default pool has as a whole.
        package: the package with the generated modules.
    """

    files: Sequence[FileDescriptorProto]
    definitions: Mapping[str, Definition]
    isolation: Isolation
    shared: Mapping[str, FileDescriptor]
    package: str

    @cached_property
    def own(self) -> tuple[DescriptorPool, Mapping[str, FileDescriptor]]:
        """A pool of the service's own that has all of its files, and their descriptors."""
        pool = descriptor_pool.DescriptorPool()
        described = {}
        for file in self.files:
            # the added file and not what the pool finds, because it does not find a file name that is not ASCII
            described[file.name] = pool.AddSerializedFile(file.SerializeToString())
            make_classes(described[file.name], f"{self.package}.{module_name(file.name)}")
        for name in (f"google/protobuf/{each}.proto" for each in _WELL_KNOWN):
            if name not in described:  # for what an `Any` may contain
                known = import_module(module_name(name)).DESCRIPTOR
                pool.AddSerializedFile(known.serialized_pb)
        return pool, described

    def pool_of(self, name: str) -> DescriptorPool:
        """The pool with the Python object of a definition."""
        return self.own[0] if name in self.isolation.private else descriptor_pool.Default()

    def is_shared(self, file: FileDescriptorProto) -> bool:
        """Whether the default pool has the file as a whole, and Python objects for all of its definitions."""
        private = self.isolation.private
        return file.name in self.shared and not any(each.name in private for each in definitions_of(file))

    def descriptor(self, file: FileDescriptorProto) -> FileDescriptor:
        """The descriptor of a file."""
        return self.shared[file.name] if self.is_shared(file) else self.own[1][file.name]

    @cached_property
    def _top_level(self) -> dict[str, str]:
        return {name: each.name for each in self.definitions.values() for name in each.within()}

    def message_class(self, name: str) -> type[Message]:
        """The class of a message by its full name."""
        return GetMessageClass(self.pool_of(self._top_level[name]).FindMessageTypeByName(name))


def add(files: Sequence[FileDescriptorProto], package: str, clashing: Collection[str], taken: Collection[str]) -> Pools:
    """Add the definitions of a service to the pools.

    Args:
        files: the files, each after those it imports.
        package: the package with the service's generated modules. The default pool gets a file with this before its
            name if it has the name for other definitions.
        clashing: the `Definition.keys` that another service defines differently.
        taken: the names of files that the default pool must not get.

    Raises:
        TypeError: the definitions contradict each other.
    """
    definitions = {each.name: each for file in files for each in definitions_of(file)}
    own = {name: each for name, each in definitions.items() if not is_well_known(each.file.name)}
    holders = {name: _holders(each) for name, each in own.items()}
    content: dict[str, dict[str, Definition]] = {}
    conflicting = {name for name, each in own.items() if _conflicts(each, holders[name], clashing, content)}
    installed = {name for name, each in holders.items() if each and _added.isdisjoint(holder.name for holder in each)}
    shared = {*definitions} - {*own} | installed - conflicting
    sharing = _Sharing(holders, isolation(definitions, conflicting, shared), package, taken)
    for file in files:
        try:
            sharing.add(file)
        except TypeError:  # a conflict that is none of the above, such as a message with the name of a package
            keys = {key for each in definitions_of(file) for key in each.keys}
            if keys <= {*clashing}:
                raise
            return add(files, package, keys.union(clashing), taken)
    return Pools(files, definitions, sharing.isolation, sharing.shared, package)


def _holders(definition: Definition) -> list[FileDescriptor]:
    """The files in the default pool that have a symbol of the definition, or the number of one of its extensions."""
    pool = descriptor_pool.Default()
    found = []
    for symbol in definition.symbols:
        with contextlib.suppress(KeyError):
            found.append(pool.FindFileContainingSymbol(symbol))
    for each in definition.extensions:
        with contextlib.suppress(KeyError):
            extended = pool.FindMessageTypeByName(each.extendee[1:])
            extension: Any = pool.FindExtensionByNumber(extended, each.number)  # type stubs have no `file`
            found.append(extension.file)
    return list({file.name: file for file in found}.values())


def _conflicts(
    definition: Definition,
    holders: Sequence[FileDescriptor],
    clashing: Collection[str],
    content: dict[str, dict[str, Definition]],
) -> bool:
    """Whether the default pool cannot have the definition; `content` gets what the files `holders` define."""
    clashes = not set(clashing).isdisjoint(definition.keys)
    for holder in holders:
        if holder.name not in content:
            file = FileDescriptorProto.FromString(holder.serialized_pb)
            content[holder.name] = {each.name: each for each in definitions_of(file)}
        other = content[holder.name].get(definition.name)
        if other is None:
            return True
        if holder.name not in _added:
            fits = definition.is_part_of(other)
        else:  # those of two services are equal, so that it does not matter which is added first
            fits = not clashes and definition.digest() == other.digest()
        if not fits:
            return True
    return clashes and not holders


class _Sharing:
    """Adds the files of a service to the default pool, without the definitions that it has, or cannot have."""

    def __init__(
        self,
        holders: Mapping[str, Sequence[FileDescriptor]],
        isolation: Isolation,
        package: str,
        taken: Collection[str],
    ) -> None:
        self.isolation = isolation
        self.shared: dict[str, FileDescriptor] = {}
        self._holders = holders
        self._package = package
        self._taken = taken
        self._names: dict[str, list[str]] = {}  # file -> the files in the pool that have its definitions

    def add(self, file: FileDescriptorProto) -> None:
        """Add a file; TypeError if the pool refuses it."""
        if is_well_known(file.name):
            self.shared[file.name] = import_module(module_name(file.name)).DESCRIPTOR
            self._names[file.name] = [file.name]
            return
        own = {each.name for each in definitions_of(file)}
        missing = {each for each in own if each not in self.isolation.isolated and not self._holders[each]}
        there = {holder.name: holder for each in own for holder in self._holders[each]}
        if missing or not own:
            content = self._content(file, missing if missing < own else None, list(there))
            there[content.name] = descriptor_pool.Default().AddSerializedFile(content.SerializeToString())
            _added.add(content.name)
            make_classes(there[content.name], f"{self._package}.{module_name(file.name)}")
        if len(there) == 1 and own.isdisjoint(self.isolation.isolated):
            (self.shared[file.name],) = there.values()
        public = [] if missing == own else [file.dependency[index] for index in file.public_dependency]
        self._names[file.name] = [*there, *(name for each in public for name in self._names[each])]

    def _content(
        self, file: FileDescriptorProto, part: Collection[str] | None, others: list[str]
    ) -> FileDescriptorProto:
        """The file with names of the pool, and of its definitions `part`, which refers to the files `others`."""
        content = FileDescriptorProto()
        content.CopyFrom(file)
        content.name = self._free_name(file.name if part is None else self._longer(file.name))
        if part is not None:
            groups: tuple[Any, ...] = content.message_type, content.enum_type, content.service, content.extension
            for group in groups:
                kept = [each for each in group if full_name(file, each.name) in part]
                del group[:]
                group.extend(kept)
        names = list(dict.fromkeys([*others, *(name for each in file.dependency for name in self._names[each])]))
        content.dependency[:] = names
        for indexes in (content.public_dependency, content.weak_dependency):
            imported = [name for index in indexes for name in self._names[file.dependency[index]]]
            indexes[:] = sorted({names.index(name) for name in imported})
        return content

    def _free_name(self, name: str) -> str:
        pool = descriptor_pool.Default()
        while True:
            # the pool does not find a file name that is not ASCII
            if name not in self._taken and name not in _added:
                try:
                    pool.FindFileByName(name)
                except KeyError:
                    return name
            name = self._longer(name)

    def _longer(self, name: str) -> str:
        return f"{self._package.replace('.', '/')}/{name}"
