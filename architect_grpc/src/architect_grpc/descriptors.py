"""What is asked of a protobuf file's descriptor: its Python module, its symbols, and whether two say the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GOOGLE = "google/"
_WELL_KNOWN = "google/protobuf/"
# the options of a file that tell other languages' compilers what to generate, and Python nothing
_OTHER_LANGUAGES = [
    name
    for name in FileOptions.DESCRIPTOR.fields_by_name
    if name.startswith(("cc_", "csharp_", "go_", "java_", "objc_", "php_", "ruby_", "swift_", "optimize_for"))
]


def module_name(file: str) -> str:
    """The module that protoc makes of a file.

    >>> module_name("shop/price-list.proto")
    'shop.price_list_pb2'
    """
    return file.removesuffix(".proto").replace("-", "_").replace("/", ".") + "_pb2"


def is_well_known(file: str) -> bool:
    """Whether protobuf's own distribution brings this file, such as google/protobuf/timestamp.proto."""
    return file.startswith(_WELL_KNOWN) and is_installed(file)


@lru_cache(maxsize=256)
def is_installed(file: str) -> bool:
    """Whether a distribution brings the module of this file of Google's, such as google/rpc/status.proto."""
    if not file.startswith(_GOOGLE):
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


def extension_numbers(file: FileDescriptorProto) -> list[str]:
    """The numbers that a file's extensions take, each with what they extend; a descriptor pool holds those once too."""
    extensions = [*file.extension]
    pending = [*file.message_type]
    while pending:
        message = pending.pop()
        extensions += message.extension
        pending += message.nested_type
    return [f"extension {each.number} of {each.extendee.removeprefix('.')}" for each in extensions]


def digests(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """File name -> `digest`, of files that come after those they import."""
    found: dict[str, str] = {}
    for file in files:
        found[file.name] = digest(file, found)
    return found


def digest(file: FileDescriptorProto, imported: Mapping[str, str]) -> str:
    """A file's digest, for which those of the files that it imports are needed.

    Equal digests mean equal definitions, whatever the files are called and whatever package they have in another
    language; those of protobuf itself are told by name.
    """
    if is_well_known(file.name):
        return file.name
    anonymous = FileDescriptorProto()
    anonymous.CopyFrom(file)
    anonymous.ClearField("name")
    anonymous.dependency[:] = [imported[name] for name in file.dependency]
    for option in _OTHER_LANGUAGES:
        anonymous.options.ClearField(option)  # type: ignore[arg-type] # it is the name of one, and no literal
    if not anonymous.options.ByteSize():
        anonymous.ClearField("options")
    return hashlib.sha256(anonymous.SerializeToString(deterministic=True)).hexdigest()
