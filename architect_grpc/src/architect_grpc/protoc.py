"""The protobuf compiler, called in this process: fifty times faster than starting it as a program."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from architect_core.exceptions import StubError


def include_paths(folder: Path, files: Sequence[str]) -> list[Path]:
    """The folders in which imports are found: the service's, those of its files, and that of protobuf's definitions.

    Raises:
        StubError: grpcio-tools is not installed, or the compiler cannot take a path.
    """
    unique = list(dict.fromkeys([plain_path(folder), *(plain_path(folder / file).parent for file in files)]))
    for path in unique:
        if any(character in str(path) for character in (os.pathsep, "=")):
            raise StubError(f"{path}: the protobuf compiler reads no folder with {os.pathsep!r} or '=' in its path")
    _compiler()
    return [*unique, Path(str(resources.files("grpc_tools") / "_proto"))]


def plain_path(path: Path) -> Path:
    """The absolute `path` without "..", which the compiler does not understand; links are not resolved."""
    return Path(os.path.normpath(path.absolute()))


def compile_definitions(includes: Sequence[Path], files: Sequence[Path | str], output: str) -> None:
    """Compile `files` with the option `output`, such as "--pyi_out=folder".

    Args:
        includes: the result of `include_paths`.
        files: paths of definitions, or their names below an include path.
        output: the option that says what is generated, and where.

    Raises:
        StubError: with the compiler's messages: file, line and column of every mistake.
    """
    main = _compiler()
    command = ["protoc", *(f"-I{path}" for path in includes), "--include_imports", output, *map(str, files)]
    with _captured_errors() as errors:
        failed = main(command)
        errors.seek(0)
        messages = errors.read().decode("utf-8", "replace").strip()
    if failed:
        raise StubError(messages or f"the protobuf compiler failed with exit code {failed} and said nothing")


def _compiler() -> Callable[[list[str]], int]:
    try:
        from grpc_tools import protoc
    except ImportError:
        raise StubError(
            "generating gRPC stubs needs the protobuf compiler: pip install 'architect-grpc[tools]'"
        ) from None
    return protoc.main  # type: ignore[no-any-return] # grpc_tools has no types


@contextmanager
def _captured_errors() -> Iterator[tempfile._TemporaryFileWrapper[bytes]]:
    """Redirect the file descriptor of standard error, to which the compiler writes from C++."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as errors:
            os.dup2(errors.fileno(), 2)
            try:
                yield errors  # type: ignore[misc] # TemporaryFile's type differs between platforms
            finally:
                os.dup2(kept, 2)
    finally:
        os.close(kept)
