"""Puts definitions into a descriptor pool: protobuf's default one if they fit, else one of their own.

The default pool has one definition of a full name, and only messages in it accept `google.protobuf`'s own objects, such
as a `Timestamp`. So definitions share it wherever they can.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from architect_grpc.descriptors import digests, is_well_known, module_name, symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import FileDescriptor


def share(files: Sequence[FileDescriptorProto], prefix: str) -> dict[str, FileDescriptor] | None:
    """File name -> descriptor in the default pool, or None if a name is defined differently there.

    A file whose definitions are there already, be it under another name, is that file. A file whose name is taken by
    other definitions gets `prefix` before its name.
    """
    pool = descriptor_pool.Default()
    wanted = digests(files)
    names: dict[str, str] = {}
    new: list[FileDescriptorProto] = []
    for file in files:
        if is_well_known(file.name):
            import_module(module_name(file.name))
            names[file.name] = file.name
            continue
        there = _defining(pool, file)
        if there is not None and _digest(there) != wanted[file.name]:
            return None
        names[file.name] = there.name if there is not None else _free_name(pool, file.name, prefix)
        if there is None:
            new.append(file)
    try:
        for file in new:
            pool.AddSerializedFile(_renamed(file, names).SerializeToString())
    except TypeError:  # a conflict that symbols do not show: a message named as somebody's package
        return None
    return {name: pool.FindFileByName(there) for name, there in names.items()}


def isolate(files: Sequence[FileDescriptorProto]) -> dict[str, FileDescriptor]:
    """File name -> descriptor in a new pool, in which nothing clashes.

    Raises:
        TypeError: protobuf does not accept the definitions.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return {file.name: pool.FindFileByName(file.name) for file in files}


def _defining(pool: descriptor_pool.DescriptorPool, file: FileDescriptorProto) -> FileDescriptor | None:
    """The pool's file that defines something `file` defines."""
    for symbol in symbols(file):
        try:
            found: FileDescriptor = pool.FindFileContainingSymbol(symbol)
        except KeyError:
            continue
        return found
    return None


def _digest(file: FileDescriptor) -> str:
    """The digest of a file in a pool, for which those it imports are needed as well."""
    ordered: dict[str, FileDescriptorProto] = {}

    def visit(each: FileDescriptor) -> None:
        if each.name not in ordered:
            for imported in each.dependencies:
                visit(imported)
            ordered[each.name] = FileDescriptorProto.FromString(each.serialized_pb)

    visit(file)
    return digests(ordered.values())[file.name]


def _free_name(pool: descriptor_pool.DescriptorPool, name: str, prefix: str) -> str:
    while True:
        try:
            pool.FindFileByName(name)
        except KeyError:
            return name
        name = f"{prefix}/{name}"


def _renamed(file: FileDescriptorProto, names: dict[str, str]) -> FileDescriptorProto:
    renamed = FileDescriptorProto()
    renamed.CopyFrom(file)
    renamed.name = names[file.name]
    renamed.dependency[:] = [names[name] for name in file.dependency]
    return renamed
