"""The file in a stub folder that the runtime reads: all definitions of one service, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE_NAME = "definitions.binpb"

# A FileDescriptorSet (google/protobuf/descriptor.proto) does not tell the files that were asked for from those they
# import. So it ends with a file of this name, which has no content and imports those that were asked for.
_LISTING = "architect/definitions/1"


def pack(files: Sequence[FileDescriptorProto], listed: Sequence[str]) -> bytes:
    """The content of the file.

    Args:
        files: all definitions, each after those it imports.
        listed: the names of those that the service's manifest lists.
    """
    listing = FileDescriptorProto(name=_LISTING, dependency=listed)
    return FileDescriptorSet(file=[*files, listing]).SerializeToString(deterministic=True)


def unpack(content: bytes) -> tuple[list[FileDescriptorProto], list[str]]:
    """`files` and `listed`, as they were packed.

    Raises:
        ValueError: with what is wrong.
    """
    try:
        files = list(FileDescriptorSet.FromString(content).file)
    except DecodeError:
        raise ValueError("is damaged") from None
    if not files or files[-1].name != _LISTING:
        raise ValueError("is incomplete, or of another version of architect-grpc")
    listing = files.pop()
    return files, list(listing.dependency)
