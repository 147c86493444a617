"""Adds definitions to a descriptor pool: protobuf's default one if they fit, or else one of their own.

The default pool holds one definition of each full name, and only messages in it accept `google.protobuf`'s own objects,
such as a `Timestamp`. So definitions share it whenever they can.
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
    """File name -> descriptor in the default pool, or None if the pool defines a name differently.

    A file whose definitions the pool has, perhaps under another file name, is the pool's file. A file whose name the
    pool has for other definitions gets `prefix` before its name.
    """
    pool = descriptor_pool.Default()
    wanted = digests(files)
    in_pool: dict[str, str] = {}
    found: dict[str, FileDescriptor] = {}
    names: dict[str, str] = {}
    for file in files:
        if is_installed(file.name):
            # import the installed module now, because later it could not add its file under a name that is taken
            with contextlib.suppress(Exception):  # nothing else in the process can import it either
                import_module(module_name(file.name))
        known = pool.FindFileByName(file.name) if is_well_known(file.name) else _defining(pool, file)
        if known is None:
            names[file.name] = _free_name(pool, file.name, prefix)
            continue
        if not is_well_known(file.name) and _digest(known, in_pool) != wanted[file.name]:
            return None
        found[file.name], names[file.name] = known, known.name
    try:
        for file in files:
            if file.name not in found:
                found[file.name] = pool.AddSerializedFile(_renamed(file, names).SerializeToString())
    except TypeError:  # a conflict that is not one of symbols: two extensions with one number
        return None
    return {file.name: found[file.name] for file in files}


def isolate(files: Sequence[FileDescriptorProto]) -> dict[str, FileDescriptor]:
    """File name -> descriptor in a new pool, where nothing clashes; TypeError if protobuf refuses a definition."""
    pool = descriptor_pool.DescriptorPool()
    # the added files and not those that the pool finds, because it does not find a file name that is not ASCII
    return {file.name: pool.AddSerializedFile(file.SerializeToString()) for file in files}


def _defining(pool: descriptor_pool.DescriptorPool, file: FileDescriptorProto) -> FileDescriptor | None:
    """The pool's file that defines one of the symbols of `file`."""
    for symbol in symbols(file):
        with contextlib.suppress(KeyError):
            return pool.FindFileContainingSymbol(symbol)
    return None


def _digest(file: FileDescriptor, known: dict[str, str]) -> str:
    """The digest of a pool's file; `known` has those of other files, and gets this one and those it imports."""
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
