"""Which generated modules of installed distributions define something, found out without importing them.

A distribution's generated module adds its file to protobuf's default descriptor pool when it is imported. That fails if
the pool has one of its names, so such a module is imported before anything else gets the name.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from architect_grpc.definition import definitions_of
from architect_grpc.descriptors import is_well_known, module_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# a line of the list of a distribution's files:
# https://packaging.python.org/en/latest/specifications/recording-installed-packages/
_RECORDED = re.compile(rb"^([^,\n\"]+)_pb2\.py,", re.MULTILINE)
_LITERAL = rb"b'[^'\\\n]*(?:\\.[^'\\\n]*)*'" + rb'|b"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
# as the compiler writes it, or as a formatter does
_SERIALIZED = re.compile(rb"\.AddSerializedFile\(\s*(" + _LITERAL + rb"),?\s*\)")
_MANY = 200
_DESCRIPTOR = b"google/protobuf/descriptor.proto"  # imported by a file with custom options


def import_owners(files: Sequence[FileDescriptorProto]) -> set[str]:
    """Import the installed modules that define a name, or the number of an extension, that `files` define.

    They are the modules that protoc would generate for the files, and those that distributions have installed.

    Returns:
        The names of files that belong to installed modules.
    """
    own = [file for file in files if not is_well_known(file.name)]
    keys = {key for file in own for definition in definitions_of(file) for key in definition.keys}
    modules = _on_path(module_name(file.name) for file in own)
    hint = _hint(own)
    taken = set()
    for module, path in (_recorded(tuple(sys.path)) | modules).items():
        theirs = _file_of(path, None if module in modules else hint)
        if theirs is None:
            continue
        taken.add(theirs.name)
        if not keys.isdisjoint(key for definition in definitions_of(theirs) for key in definition.keys):
            with contextlib.suppress(Exception):  # nothing else in the process can import it either
                import_module(module)
    return taken


def _on_path(modules: Iterable[str]) -> dict[str, str]:
    """Module -> source, of those of `modules` that can be imported; found without importing a package above them."""
    found = {}
    for top, group in groupby(sorted(modules), lambda module: module.partition(".")[0]):
        spec = None
        with contextlib.suppress(ValueError):  # of a module like __main__
            spec = find_spec(top)
        folders = [*(spec.submodule_search_locations or ())] if spec else []
        for module in group:
            path = module.replace(".", "/").removeprefix(f"{top}/") + ".py"
            sources = [spec.origin] if spec and module == top else [f"{folder}/{path}" for folder in folders]
            source = next((each for each in sources if each and Path(each).is_file()), None)
            if source is not None:
                found[module] = source
    return found


@cache
def _recorded(folders: tuple[str, ...]) -> dict[str, str]:
    """Module -> path of all generated modules that distributions have installed in folders of `sys.path`."""
    found: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.endswith(".dist-info"):
                    found |= _recorded_in(folder, f"{entry.path}/RECORD")
    return found


def _recorded_in(folder: str, record: str) -> dict[str, str]:
    try:
        content = Path(record).read_bytes()
    except OSError:
        return {}
    if b"_pb2.py," not in content:  # most have none, and this is faster than the expression
        return {}
    stems = [stem.decode(errors="replace") for stem in _RECORDED.findall(content)]
    return {
        f"{stem.replace('/', '.')}_pb2": f"{folder}/{stem}_pb2.py"
        for stem in stems
        if not stem.startswith(("google/protobuf/", ".."))
    }


def _hint(files: Sequence[FileDescriptorProto]) -> re.Pattern[bytes] | None:
    """What the source of a generated module contains if it can define a name or an extension of `files`.

    None for so many files that searching sources for all of their names takes longer than reading what these define.
    """
    if len(files) > _MANY:
        return None
    names = {name for file in files for name in (file.name, file.package) if name}
    names |= {each.name.rpartition(".")[2] for file in files if not file.package for each in definitions_of(file)}
    # the compiler spells a byte as an escape sequence if it is a hexadecimal digit and follows one
    hints = {re.escape(re.sub(r"^[0-9a-fA-F]+", "", name).encode()) for name in names}
    if any(definition.extensions for file in files for definition in definitions_of(file)):
        hints.add(_DESCRIPTOR)
    return re.compile(b"|".join(sorted(hints)) if hints else rb"(?!)")


def _file_of(path: str, hint: re.Pattern[bytes] | None) -> FileDescriptorProto | None:
    """The file of the generated module at `path`; None if there is none, or if the source has no `hint`."""
    try:
        source = Path(path).read_bytes()
    except OSError:
        return None
    if hint is not None and not hint.search(source):
        return None
    literal = _SERIALIZED.search(source)
    try:
        return literal and FileDescriptorProto.FromString(ast.literal_eval(literal[1].decode()))
    except (ValueError, SyntaxError, DecodeError):
        return None
