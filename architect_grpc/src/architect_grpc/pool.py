"""Puts definitions into a descriptor pool: protobuf's default one if they fit, else one of their own.

The default pool has one definition of a full name, and only messages in it accept `google.protobuf`'s own objects, such
as a `Timestamp`. So definitions share it wherever they can.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from architect_grpc.descriptors import digest, digests, is_installed, is_well_known, module_name, symbols

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
    digests_there: dict[str, str] = {}
    found: dict[str, FileDescriptor] = {}
    names: dict[str, str] = {}
    for file in files:
        if is_installed(file.name):
            _import(file.name)
        there: FileDescriptor | None
        if is_well_known(file.name):
            there = pool.FindFileByName(file.name)
        else:
            there = _defining(pool, file)
            if there is not None and _digest(there, digests_there) != wanted[file.name]:
                return None
        if there is not None:
            found[file.name] = there
        names[file.name] = there.name if there is not None else _free_name(pool, file.name, prefix)
    try:
        for file in files:
            if file.name not in found:
                found[file.name] = pool.AddSerializedFile(_renamed(file, names).SerializeToString())
    except TypeError:  # a conflict that symbols do not show: two extensions of one number
        return None
    return {file.name: found[file.name] for file in files}


def isolate(files: Sequence[FileDescriptorProto]) -> dict[str, FileDescriptor]:
    """File name -> descriptor in a new pool, in which nothing clashes.

    Raises:
        TypeError: protobuf does not accept the definitions.
    """
    pool = descriptor_pool.DescriptorPool()
    # what is added and not what is found, which protobuf has trouble with where a file's name is not of ASCII
    return {file.name: pool.AddSerializedFile(file.SerializeToString()) for file in files}


def _import(file: str) -> None:
    """Let the distribution that brings `file` define it first: its module, imported later, finds a name taken."""
    with contextlib.suppress(Exception):  # nobody can import it, then
        import_module(module_name(file))


def _defining(pool: descriptor_pool.DescriptorPool, file: FileDescriptorProto) -> FileDescriptor | None:
    """The pool's file that defines something `file` defines."""
    for symbol in symbols(file):
        try:
            found: FileDescriptor = pool.FindFileContainingSymbol(symbol)
        except KeyError:
            continue
        return found
    return None


def _digest(file: FileDescriptor, known: dict[str, str]) -> str:
    """The digest of a file in a pool; `known` has those of others there, and gets this one and those it imports."""
    if file.name not in known:
        for imported in file.dependencies:
            _digest(imported, known)
        known[file.name] = digest(FileDescriptorProto.FromString(file.serialized_pb), known)
    return known[file.name]


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
