"""The protobuf compiler, called in this process: fifty times faster than starting it as a program."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.exceptions import StubError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def include_paths(folder: Path, files: Sequence[str]) -> list[Path]:
    """Where imports are looked for: the service's folder, those of its files, and protobuf's own definitions.

    Raises:
        StubError: grpcio-tools is not installed, or a path cannot be given to the compiler.
    """
    unique = list(dict.fromkeys([plain_path(folder), *(plain_path(folder / file).parent for file in files)]))
    for place in unique:
        if any(character in str(place) for character in (os.pathsep, "=")):
            raise StubError(f"{place}: the protobuf compiler reads no folder with {os.pathsep!r} or '=' in its path")
    _compiler()
    return [*unique, Path(str(resources.files("grpc_tools") / "_proto"))]


def plain_path(path: Path) -> Path:
    """`path` from the root and without "..", which the compiler does not understand; links are left as they are."""
    return Path(os.path.normpath(path.absolute()))


def compile_definitions(includes: Sequence[Path], files: Sequence[Path | str], output: str) -> None:
    """Compile `files` with the option `output`, such as "--pyi_out=folder".

    Args:
        includes: as `include_paths` gives them.
        files: paths of definitions, or names below an include path.
        output: what to make of them.

    Raises:
        StubError: with what the compiler says: file, line and column of every mistake.
    """
    main = _compiler()
    command = ["protoc", *(f"-I{place}" for place in includes), "--include_imports", output, *map(str, files)]
    with _captured_errors() as errors:
        failed = main(command)
        errors.seek(0)
        told = errors.read().decode("utf-8", "replace").strip()
    if failed:
        raise StubError(told or f"the protobuf compiler failed with exit code {failed} and said nothing")


def _compiler() -> Callable[[list[str]], int]:
    try:
        from grpc_tools import protoc
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise StubError("generating gRPC stubs needs the protobuf compiler: pip install 'architect-grpc[tools]'")
    main: Callable[[list[str]], int] = protoc.main
    return main


@contextmanager
def _captured_errors() -> Iterator[tempfile._TemporaryFileWrapper[bytes]]:
    """Collect what is written to the standard error's descriptor, where the compiler reports from C++."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as errors:
            os.dup2(errors.fileno(), 2)
            try:
                yield errors  # type: ignore[misc] # what TemporaryFile gives differs between platforms
            finally:
                os.dup2(kept, 2)
    finally:
        os.close(kept)
