"""Facts about a protobuf file: its Python module, and what it defines."""

from __future__ import annotations

from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto


def module_name(file: str) -> str:
    """The module that protoc generates for a file.

    >>> module_name("shop/price-list.proto")
    'shop.price_list_pb2'
    """
    return file.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


@lru_cache(maxsize=256)
def is_well_known(file: str) -> bool:
    """Whether the file is part of protobuf's own distribution, such as google/protobuf/timestamp.proto."""
    if not file.startswith("google/protobuf/"):
        return False
    try:
        package = find_spec(module_name(file).rpartition(".")[0])
        # not `find_spec`: once grpcio-tools is imported, it makes a module of any definition that it finds
        folders = package.submodule_search_locations if package else None
        return PathFinder.find_spec(module_name(file), folders) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def messages_of(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """All messages of a file, nested ones included, each with its name in the file, such as "Order.Line"."""
    for message in file.message_type:
        yield from messages_within(message)


def messages_within(message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """A message, and all messages within it, each with its name in the file."""
    pending = [(message.name, message)]
    while pending:
        name, each = pending.pop()
        yield name, each
        pending += [(f"{name}.{nested.name}", nested) for nested in each.nested_type]


def json_name(name: str) -> str:
    """The name that a field has in JSON unless its definition says otherwise.

    >>> json_name("order_id")
    'orderId'
    """
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def full_name(file: FileDescriptorProto, name: str) -> str:
    """A name with the package of the file that defines it."""
    return f"{file.package}.{name}" if file.package else name
