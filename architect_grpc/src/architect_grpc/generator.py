"""Generates the stubs of a gRPC service for `architect install`."""

from __future__ import annotations

import hashlib
import tempfile
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from architect_core.contract import StubGenerator
from architect_core.exceptions import StubError
from architect_grpc import definition_set, source
from architect_grpc.descriptors import digests, is_well_known, module_name, symbols
from architect_grpc.isolation import write_isolated
from architect_grpc.protoc import compile_definitions, include_paths, plain_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from architect_core.contract import Definitions

_FORMAT = "1"  # of what is generated; a new one makes every `architect install` generate anew


class GrpcStubGenerator(StubGenerator):
    """Compiles definitions with grpcio-tools.

    A service's stubs are `definitions.binpb`, which the runtime reads, and for every definition file the modules that
    protoc would write, `x_pb2` and `x_pb2_grpc`, as a few lines that load it, with type stubs for editors beside them.
    """

    def __init__(self) -> None:
        self._compiled: dict[Definitions, bytes] = {}  # what `checksum` made, for the `generate` that mostly follows

    def checksum(self, definitions: Definitions) -> str:
        """A hash of the compiled definitions, imported ones included, and of the tools' version."""
        content = self._compiled[definitions] = _compile(definitions)
        made_by = f"{_FORMAT} {version('grpcio-tools')} ".encode()
        return hashlib.sha256(made_by + content).hexdigest()

    def generate(self, definitions: Definitions) -> Mapping[str, bytes]:
        """The stubs: path -> content."""
        content = self._compiled.pop(definitions, None) or _compile(definitions)
        files, _ = definition_set.unpack(content)
        own = [file for file in files if not is_well_known(file.name)]
        stubs = {definition_set.FILE_NAME: content}
        types = self._message_types(definitions, own)
        for file in own:
            path = module_name(file.name).replace(".", "/")
            texts = {".py": source.messages_module(file), ".pyi": types[path]}
            if file.service:
                texts |= {"_grpc.py": source.services_module(file), "_grpc.pyi": source.service_types(file, files)}
            stubs |= {path + suffix: text.encode() for suffix, text in texts.items()}
        return stubs

    def finish(self, stubs: Mapping[str, Path], folder: Path) -> list[str]:
        """Note which services define something differently, for the runtime and for the user."""
        defined = {name: _definitions_by_symbol(place) for name, place in sorted(stubs.items())}
        clashing: set[str] = set()
        notes = []
        for one, other in combinations(defined, 2):
            different = sorted(
                symbol for symbol, digest in defined[one].items() if defined[other].get(symbol, digest) != digest
            )
            if different:
                clashing |= {one, other}
                more = f" and {len(different) - 1} more" if different[1:] else ""
                notes.append(
                    f"{one} and {other} define {different[0]}{more} differently. Both work in one process, each with "
                    "message classes of its own: pass dicts and datetimes where a field is a google.protobuf message, "
                    "such as a Timestamp"
                )
        write_isolated(folder, [stubs[name] for name in sorted(clashing)])
        return notes

    def _message_types(self, definitions: Definitions, own: list[FileDescriptorProto]) -> dict[str, str]:
        """Module path -> what protoc writes for type checkers, importing its neighbours as neighbours."""
        with tempfile.TemporaryDirectory() as output:
            includes = include_paths(definitions.folder, definitions.files)
            compile_definitions(includes, [file.name for file in own], f"--pyi_out={output}")
            modules = [module_name(file.name) for file in own]
            return {
                path: source.with_relative_imports(
                    (Path(output) / f"{path}.pyi").read_text(encoding="utf-8"), module, modules
                )
                for module in modules
                for path in [module.replace(".", "/")]
            }


def _compile(definitions: Definitions) -> bytes:
    """The content of `definitions.binpb`."""
    paths = [plain_path(definitions.folder / file) for file in definitions.files]
    for file, path in zip(definitions.files, paths, strict=True):
        if not path.is_file():
            raise StubError(f"{definitions.service}: there is no file {file} in {definitions.folder} (api.definitions)")
    includes = include_paths(definitions.folder, definitions.files)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "set"
        try:
            compile_definitions(includes, paths, f"--descriptor_set_out={output}")
        except StubError as problem:
            told = str(problem)
        else:
            found = [_as_generated(file) for file in FileDescriptorSet.FromString(output.read_bytes()).file]
            return definition_set.pack(found, [_name_of(path, includes) for path in paths])
    raise StubError(f"{definitions.service}: {told}")


def _name_of(path: Path, includes: list[Path]) -> str:
    """What the compiler calls a file: its path below the first include path that holds it."""
    return next(path.relative_to(place).as_posix() for place in includes if path.is_relative_to(place))


def _as_generated(file: FileDescriptorProto) -> FileDescriptorProto:
    """`file` as generated code holds it, which has no derived JSON names.

    Protobuf takes definitions that it knows already only if they are the same to the byte.
    """
    fields = [*file.extension]
    pending = [*file.message_type]
    while pending:
        message = pending.pop()
        fields += [*message.field, *message.extension]
        pending += message.nested_type
    for field in fields:
        if field.json_name == _derived_json_name(field.name):
            field.ClearField("json_name")
    return file


def _derived_json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _definitions_by_symbol(stubs: Path) -> dict[str, str]:
    """Everything that a service defines -> the digest of the file that defines it."""
    files, _ = definition_set.unpack((stubs / definition_set.FILE_NAME).read_bytes())
    by_file = digests(files)
    return {symbol: by_file[file.name] for file in files if not is_well_known(file.name) for symbol in symbols(file)}
