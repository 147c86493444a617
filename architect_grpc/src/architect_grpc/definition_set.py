"""The files of `architect_services` that the runtime reads, except for generated modules.

Each service's folder has `definitions.binpb`, all its definitions in compiled form. Beside the folders, `clashes.txt`
lists what services define differently, so that loading them does not depend on which is loaded first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

FILE_NAME = "definitions.binpb"
_CLASHES = "clashes.txt"

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


def write_clashing(folder: Path, clashing: Mapping[str, Iterable[str]]) -> None:
    """Write `clashes.txt` in `folder`, or remove it if nothing clashes: the name of a folder in it -> what clashes."""
    path = folder / _CLASHES
    content = "".join(f"{name}\t{key}\n" for name, keys in sorted(clashing.items()) for key in sorted(keys)).encode()
    if not content:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_bytes() != content:
        new = path.with_name(f".{_CLASHES}.{os.getpid()}")
        new.write_bytes(content)
        new.replace(path)


def clashing(folder: Path, name: str) -> set[str]:
    """What `clashes.txt` in `folder` lists for the service's folder `name`."""
    try:
        lines = (folder / _CLASHES).read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    prefix = f"{name}\t".encode()
    return {line.removeprefix(prefix).decode(errors="replace") for line in lines if line.startswith(prefix)}
