"""Generates the stubs of a gRPC service for `architect install`."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from itertools import chain, combinations
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from architect_core.contract import StubGenerator
from architect_core.exceptions import StubError
from architect_grpc import definition_set, source
from architect_grpc.definition import definitions_of
from architect_grpc.descriptors import is_well_known, json_name, messages_of, module_name
from architect_grpc.imports import find_sources
from architect_grpc.protoc import compile_texts, compiler_root
from architect_grpc.type_stubs import type_stubs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from architect_core.contract import Definitions

_FORMAT = "3"  # of the generated files; a new one makes every `architect install` generate them again


class GrpcStubGenerator(StubGenerator):
    """Compiles definitions with grpcio-tools.

    A service's stubs are `definitions.binpb`, which the runtime reads, and for each definition file the modules that
    protoc would generate, `x_pb2` and `x_pb2_grpc`: a few lines that load it, and type stubs for editors.
    """

    def __init__(self) -> None:
        # the results of `checksum`, which the other methods usually follow
        self._compiled: dict[Definitions, bytes] = {}
        self._inputs: dict[Definitions, frozenset[str]] = {}

    def checksum(self, definitions: Definitions) -> str:
        """A hash of the compiled definitions, imported ones included, and of the compiler's version."""
        content = self._compiled[definitions] = self._compile(definitions)
        return hashlib.sha256(f"{_FORMAT} {version('grpcio-tools')} ".encode() + content).hexdigest()

    def inputs(self, definitions: Definitions) -> frozenset[str] | None:
        """The definitions, also imported ones, and the folders in which these were looked for."""
        return self._inputs.get(definitions)

    def _compile(self, definitions: Definitions) -> bytes:
        """The content of `definitions.binpb`."""
        sources = find_sources(definitions, compiler_root())
        self._inputs[definitions] = sources.inputs
        try:
            content = compile_texts(sources.texts, sources.paths, sources.listed)
        except StubError as problem:
            raise StubError(f"{definitions.service}: {problem}") from None
        files = [_as_generated(file) for file in FileDescriptorSet.FromString(content).file]
        return definition_set.pack(files, sources.listed)

    def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
        """The stubs: path -> content."""
        content = self._compiled.pop(definitions, None) or self._compile(definitions)
        files, _ = definition_set.unpack(content)
        own = [file for file in files if not is_well_known(file.name)]
        stubs = {definition_set.FILE_NAME: content}
        types = type_stubs(files)
        for file in own:
            module = module_name(file.name)
            texts = {module: source.module(file, "messages_of")}
            if file.service:
                texts[f"{module}_grpc"] = source.module(file, "services_of")
            for name, text in texts.items():
                path = name.replace(".", "/")
                stubs |= {f"{path}.py": text.encode(), f"{path}.pyi": source.types(types[name]).encode()}
        return stubs

    def finish(self, stubs: Mapping[str, Path], folder: Path) -> list[str]:
        """Write down, for `load`, which services' definitions clash, and return a note for the user on each pair."""
        defined = {name: _digests(path) for name, path in sorted(stubs.items())}
        clashing: dict[str, set[str]] = {}
        notes = []
        for one, other in combinations(defined, 2):
            different = sorted(
                symbol for symbol, digest in defined[one].items() if defined[other].get(symbol, digest) != digest
            )
            if different:
                for name in (one, other):
                    clashing.setdefault(stubs[name].relative_to(folder).as_posix(), set()).update(different)
                more = f" and {len(different) - 1} more" if different[1:] else ""
                notes.append(
                    f"{one} and {other} define {different[0]}{more} differently. Both work in one process, each with "
                    "classes of its own for these messages and those that use them: pass dicts and datetimes where a "
                    "field of one is a google.protobuf message, such as a Timestamp"
                )
        definition_set.write_clashing(folder, clashing)
        return notes


def _as_generated(file: FileDescriptorProto) -> FileDescriptorProto:
    """Returns `file` without derived JSON names, as generated code has it.

    A descriptor pool accepts a file that it has already only if both are equal byte by byte.
    """
    own = (field for _, message in messages_of(file) for field in (*message.field, *message.extension))
    for field in chain(file.extension, own):
        if field.json_name == json_name(field.name):
            field.ClearField("json_name")
    return file


def _digests(stubs: Path) -> dict[str, str]:
    """The `Definition.keys` of a service -> the digest of the definition."""
    path = stubs / definition_set.FILE_NAME
    try:
        files, _ = definition_set.unpack(path.read_bytes())
    except (FileNotFoundError, ValueError) as problem:
        reason = "is missing" if isinstance(problem, FileNotFoundError) else str(problem)
        raise StubError(f"{path} {reason}. Run `architect install` again") from None
    definitions = (each for file in files if not is_well_known(file.name) for each in definitions_of(file))
    return {key: digest for each in definitions for digest in [each.digest()] for key in each.keys}
