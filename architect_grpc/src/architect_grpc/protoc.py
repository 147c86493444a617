"""The protobuf compiler, called in this process: fifty times faster than starting it as a program."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from architect_core.exceptions import StubError

if TYPE_CHECKING:
    from collections.abc import Mapping


def compiler_root() -> str:
    """The import root of protobuf's own definitions; raises StubError if grpcio-tools is not installed."""
    _compiler()
    return str(resources.files("grpc_tools") / "_proto")


def compile_texts(texts: Mapping[str, bytes], paths: Mapping[str, str], files: Sequence[str]) -> bytes:
    """Compile `files` and what they import to a `FileDescriptorSet`.

    Args:
        texts: name -> content, of all files.
        paths: name -> the path that the compiler's messages are to have.
        files: the names of those to compile.

    Raises:
        StubError: with the compiler's messages: file, line and column of every mistake.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name, "definitions"), Path(name, "set")
        for file, text in texts.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        try:
            run_compiler(f"-I{folder}", "--include_imports", f"--descriptor_set_out={output}", *files)
        except StubError as problem:
            lines = [_located(line, f"{folder}/", paths) for line in str(problem).splitlines()]
            lines = [line for line in lines if ": warning: " not in line] or lines
        else:
            return output.read_bytes()
    raise StubError("\n".join(lines))


def compile_types(descriptor_set: bytes, files: Sequence[str]) -> dict[str, str]:
    """Module -> its type stubs, for `files` of a serialized `FileDescriptorSet`."""
    with tempfile.TemporaryDirectory() as name:
        content, output = Path(name, "set"), Path(name, "types")
        content.write_bytes(descriptor_set)
        output.mkdir()
        run_compiler(f"--descriptor_set_in={content}", f"--pyi_out={output}", *files)
        found = {path.relative_to(output).with_suffix(""): path for path in output.rglob("*.pyi")}
        return {".".join(module.parts): path.read_text(encoding="utf-8") for module, path in found.items()}


def run_compiler(*arguments: str) -> None:
    """Run protoc with command-line arguments; raises StubError with its messages if it fails."""
    main = _compiler()
    with _captured_errors() as errors:
        failed = main(["protoc", *arguments])
        errors.seek(0)
        messages = errors.read().decode("utf-8", "replace").strip()
    if failed:
        raise StubError(messages or f"the protobuf compiler failed with exit code {failed} and said nothing")


def _located(line: str, folder: str, paths: Mapping[str, str]) -> str:
    """A line of the compiler's messages, with the path of the file that it is about."""
    name, colon, rest = line.removeprefix(folder).partition(":")
    return f"{paths.get(name, name)}{colon}{rest}"


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
