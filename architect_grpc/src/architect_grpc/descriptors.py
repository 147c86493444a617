"""Facts about a protobuf file: its Python module, what it defines, and whether another defines the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import DescriptorProto

# a file's options that compilers for other languages read, and Python does not
_OTHER_LANGUAGES = [
    name
    for name in FileOptions.DESCRIPTOR.fields_by_name
    if name.startswith(("cc_", "csharp_", "go_", "java_", "objc_", "php_", "ruby_", "swift_", "optimize_for"))
]


def module_name(file: str) -> str:
    """The module that protoc generates for a file.

    >>> module_name("shop/price-list.proto")
    'shop.price_list_pb2'
    """
    return file.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


def is_well_known(file: str) -> bool:
    """Whether the file is part of protobuf's own distribution, such as google/protobuf/timestamp.proto."""
    return file.startswith("google/protobuf/") and is_installed(file)


@lru_cache(maxsize=256)
def is_installed(file: str) -> bool:
    """Whether the file is Google's and a distribution with its module is installed, such as google/rpc/status.proto."""
    if not file.startswith("google/"):
        return False
    try:
        return find_spec(module_name(file)) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def messages_of(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """All messages of a file, nested ones included, each with its name in the file, such as "Order.Line"."""
    pending = [(message.name, message) for message in reversed(file.message_type)]
    while pending:
        name, message = pending.pop()
        yield name, message
        pending += [(f"{name}.{nested.name}", nested) for nested in message.nested_type]


def full_name(file: FileDescriptorProto, name: str) -> str:
    """A name with the package of the file that defines it."""
    return f"{file.package}.{name}" if file.package else name


def symbols(file: FileDescriptorProto) -> list[str]:
    """The full names that a file defines at its top level. A descriptor pool holds each of them once."""
    # the scope of an enum's values is, as in C++, that of the enum itself
    values = chain.from_iterable(enum.value for enum in file.enum_type)
    groups = (file.message_type, file.enum_type, values, file.service, file.extension)
    return [full_name(file, each.name) for group in groups for each in group]


def extension_numbers(file: FileDescriptorProto) -> list[str]:
    """The numbers of a file's extensions, each with what it extends. A pool holds each of these once, too."""
    extensions = chain(file.extension, *(message.extension for _, message in messages_of(file)))
    return [f"extension {each.number} of {each.extendee.removeprefix('.')}" for each in extensions]


def digests(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """File name -> `digest`, for files of which each follows those it imports."""
    found: dict[str, str] = {}
    for file in files:
        found[file.name] = digest(file, found)
    return found


def digest(file: FileDescriptorProto, imported: Mapping[str, str]) -> str:
    """A hash of a file's definitions; `imported` has the digests of the files that it imports.

    Equal digests mean equal definitions, whatever the files' names and their packages in other languages are. The
    digest of a file of protobuf's own is its name.
    """
    if is_well_known(file.name):
        return file.name
    anonymous = FileDescriptorProto()
    anonymous.CopyFrom(file)
    anonymous.ClearField("name")
    anonymous.dependency[:] = [imported[name] for name in file.dependency]
    for option in _OTHER_LANGUAGES:
        anonymous.options.ClearField(option)  # type: ignore[arg-type] # a field's name, which is no literal here
    if not anonymous.options.ByteSize():
        anonymous.ClearField("options")
    return hashlib.sha256(anonymous.SerializeToString(deterministic=True)).hexdigest()
