"""The processes of the benchmarks: servers, programs that are measured as a whole, and the project they use."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from architect_core.contract import Definitions, StubGenerator
from architect_core.plugins import Plugins

HERE = Path(__file__).parent
PROTO = """syntax = "proto3";
package bench;
message Word { string text = 1; }
service Echo { rpc Say (Word) returns (Word); }
"""


@contextmanager
def serving(kind: str) -> Iterator[list[int]]:
    """The ports of a server of `server.py`, in a process of its own."""
    command = [sys.executable, str(HERE / "server.py"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield [int(port) for port in process.stdout.readline().split()]
        finally:
            process.kill()


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(program: str, interpreter: str = sys.executable, **environ: str) -> Callable[[], str]:
    """A function that runs a program and returns what it prints."""
    variables = {**os.environ, **environ}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling is not what is measured
    command = [interpreter, "-c", program]
    return lambda: subprocess.run(command, check=True, env=variables, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def echo_project() -> Iterator[Path]:
    """A folder with the stubs of the service "acme/echo", those that `architect install` writes and those of protoc."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "bench_echo.proto").write_text(PROTO)
        generator = Plugins().get(StubGenerator, "grpc", "the benchmark")
        for name, content in generator.generate(Definitions("acme/echo", root, ("bench_echo.proto",))).items():
            path = root / "architect_services" / "acme" / "echo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        protoc.main(["protoc", f"-I{root}", f"--python_out={root}", f"--grpc_python_out={root}", "bench_echo.proto"])
        yield root
