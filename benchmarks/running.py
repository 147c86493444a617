"""`architect run` against honcho, which starts the same programs and does nothing else for them; Linux only.

    uv run python benchmarks/running.py [--rounds N]

Both are measured in turns: the time from the start until ten independent services accept connections, and from SIGTERM
to the end. The CPU time is that of architect's own processes, without its services.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

SERVICES = 10
IDLE_SERVICES = 11
IDLE_SECONDS = 20.0
LINES = 50_000  # a second
LINES_SECONDS = 10
BIN = Path(sys.executable).parent

SOCKET = """
import os, socket
listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    listener.accept()[0].close()
"""
FLASK = """
import os
from flask import Flask
Flask(__name__).run(os.environ["HOST"], int(os.environ["PORT"]))
"""
PRINTER = f"""
import time
started, printed = time.monotonic(), 0
while printed < {LINES * LINES_SECONDS}:
    for _ in range({LINES} // 100):
        print("2026-01-01 12:00:00 INFO app.requests GET /orders/17 answered with 200 in 12 ms", printed, flush=True)
        printed += 1
    time.sleep(max(0.0, started + printed / {LINES} - time.monotonic()))
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def system(folder: Path, ports: list[int], program: str = SOCKET) -> list[str]:
    """Write the services for both; returns the names of their folders."""
    names = [f"s{number}" for number in range(len(ports))]
    lines = []
    for name, port in zip(names, ports, strict=True):
        (folder / name).mkdir()
        manifest = {"name": f"bench/{name}", "api": {"type": "tcp"}, "port": port}
        (folder / name / "architect.json").write_text(json.dumps(manifest))
        (folder / name / "main.py").write_text(program)
        lines.append(f"{name}: cd {name} && HOST=127.0.0.1 PORT={port} exec {sys.executable} main.py\n")
    (folder / "Procfile").write_text("".join(lines))
    return names


def run_once(command: list[str], folder: Path, ports: list[int]) -> tuple[float, float]:
    """The seconds until all listen, and those until all have ended."""
    with (folder / "output").open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            for port in ports:
                while not listens(port):
                    assert process.poll() is None, (folder / "output").read_text()
                    time.sleep(0.002)
            ready = time.monotonic() - started
            time.sleep(0.5)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            return ready, time.monotonic() - started
        finally:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def cpu_of(process: psutil.Process) -> float:
    """The CPU seconds of the two processes of a run."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children()))


@contextlib.contextmanager
def running(folder: Path, names: list[str]) -> Iterator[psutil.Popen]:
    with (folder / "output").open("w") as output:
        process = psutil.Popen([str(BIN / "architect"), "run", *names], cwd=folder, stdout=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def idle() -> float:
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), free_ports(IDLE_SERVICES)
        names = system(folder, ports)
        with running(folder, names) as process:
            while not all(map(listens, ports)):
                time.sleep(0.1)
            time.sleep(3)
            before = cpu_of(process)
            time.sleep(IDLE_SECONDS)
            return (cpu_of(process) - before) * 60 / IDLE_SECONDS


def printing() -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "architect.json").write_text(json.dumps({"name": "bench/printer"}))
        (folder / "main.py").write_text(PRINTER)
        with running(folder, ["."]) as process:
            while (folder / "output").stat().st_size == 0:
                time.sleep(0.01)
            before = cpu_of(process)
            time.sleep(LINES_SECONDS / 2)
            return (cpu_of(process) - before) * 60 / (LINES_SECONDS / 2)


def seconds(*arguments: str) -> float:
    started = time.monotonic()
    subprocess.run([str(BIN / "architect"), *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def report(name: str, value: float, target: float | None, unit: str = "s") -> None:
    print(f"{name:<68} {value:>6.2f} {unit:<5}", "" if target is None else f"at most {target:g}", flush=True)


def compare(rounds: int, program: str, kind: str, target: float | None) -> None:
    taken: dict[str, list[tuple[float, float]]] = {"architect": [], "honcho": []}
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), free_ports(SERVICES)
        names = system(folder, ports, program)
        commands = {"architect": [str(BIN / "architect"), "run", *names], "honcho": [str(BIN / "honcho"), "start"]}
        for number in range(rounds + 1):
            for side in sorted(commands, reverse=number % 2 == 1):
                took = run_once(commands[side], folder, ports)
                if number:  # what the first pays, for files to read, is not what is measured
                    taken[side].append(took)
    for index, what, at_most in ((0, "ready", target), (1, "stopped", 1.5)):
        ours, theirs = ([each[index] for each in taken[side]] for side in ("architect", "honcho"))
        ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
        both = f"{statistics.median(ours):.2f} s, with honcho {statistics.median(theirs):.2f} s"
        report(f"{SERVICES} {kind} {what}: {both}", ratio, at_most, "times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    compare(rounds, FLASK, "Flask services", 1.3)
    compare(rounds, SOCKET, "servers of nothing", None)
    for arguments in (("--help",), ("run", "--help")):
        took = statistics.median(seconds(*arguments) for _ in range(rounds))
        report(f"architect {' '.join(arguments)}", took, 0.3)
    report(f"CPU of a run of {IDLE_SERVICES} services that do nothing, a minute", idle(), 0.5)
    report(f"CPU of a run that prints {LINES} lines a second, a minute", printing(), 20)


if __name__ == "__main__":
    main()
