"""What is asked of a protobuf file's descriptor: its Python module, its symbols, and whether two say the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto

if TYPE_CHECKING:
    from collections.abc import Iterable

_WELL_KNOWN = "google/protobuf/"


def module_name(file: str) -> str:
    """The module that protoc makes of a file.

    >>> module_name("shop/price-list.proto")
    'shop.price_list_pb2'
    """
    return file.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


@lru_cache(maxsize=256)
def is_well_known(file: str) -> bool:
    """Whether protobuf's own distribution brings this file, such as google/protobuf/timestamp.proto."""
    if not file.startswith(_WELL_KNOWN):
        return False
    try:
        return find_spec(module_name(file)) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def symbols(file: FileDescriptorProto) -> list[str]:
    """The full names that a file defines at its top level, which a descriptor pool holds once."""
    # protobuf scopes an enum's values as C++ does: beside the enum
    values = chain.from_iterable(enum.value for enum in file.enum_type)
    groups = (file.message_type, file.enum_type, values, file.service, file.extension)
    names = [each.name for group in groups for each in group]
    return [f"{file.package}.{name}" if file.package else name for name in names]


def digests(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """File name -> digest, of files that come after those they import.

    Equal digests mean equal definitions, whatever the files are called; those of protobuf itself are told by name.
    """
    found: dict[str, str] = {}
    for file in files:
        if is_well_known(file.name):
            found[file.name] = file.name
            continue
        anonymous = FileDescriptorProto()
        anonymous.CopyFrom(file)
        anonymous.ClearField("name")
        anonymous.dependency[:] = [found[name] for name in file.dependency]
        found[file.name] = hashlib.sha256(anonymous.SerializeToString(deterministic=True)).hexdigest()
    return found
