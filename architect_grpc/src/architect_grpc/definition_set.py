"""The files of `architect_services` that the runtime reads, except for generated modules.

Each service's folder has `definitions.binpb`, all its definitions in compiled form. Beside the folders, `isolated.txt`
lists those whose definitions clash with another's, so that loading them does not depend on which is loaded first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE_NAME = "definitions.binpb"
_ISOLATED = "isolated.txt"

# A FileDescriptorSet (google/protobuf/descriptor.proto) does not say which of its files the others only import. So it
# ends with a file of this name, which is empty and imports the files that the service's manifest lists.
_LISTING = "architect/definitions/1"


def pack(files: Sequence[FileDescriptorProto], listed: Sequence[str]) -> bytes:
    """The content of `definitions.binpb`.

    Args:
        files: all definitions, each after those it imports.
        listed: the names of those that the service's manifest lists.
    """
    listing = FileDescriptorProto(name=_LISTING, dependency=listed)
    return FileDescriptorSet(file=[*files, listing]).SerializeToString(deterministic=True)


def unpack(content: bytes) -> tuple[list[FileDescriptorProto], list[str]]:
    """Returns `files` and `listed`; raises ValueError with what is wrong."""
    try:
        files = list(FileDescriptorSet.FromString(content).file)
    except DecodeError:
        raise ValueError("is damaged") from None
    if not files or files[-1].name != _LISTING:
        raise ValueError("is incomplete, or of another version of architect-grpc")
    listing = files.pop()
    return files, list(listing.dependency)


def write_isolated(folder: Path, stubs: Iterable[Path]) -> None:
    """Write `isolated.txt` in `folder` with the folders `stubs` in it; remove it if there are none."""
    path = folder / _ISOLATED
    content = "".join(f"{each.relative_to(folder).as_posix()}\n" for each in stubs).encode()
    if not content:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_bytes() != content:
        new = path.with_name(f".{_ISOLATED}.{os.getpid()}")
        new.write_bytes(content)
        new.replace(path)


def is_isolated(folder: Path, name: str) -> bool:
    """Whether `isolated.txt` in `folder` lists the service's folder `name`."""
    try:
        return name.encode() in (folder / _ISOLATED).read_bytes().splitlines()
    except FileNotFoundError:
        return False
