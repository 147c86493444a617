"""Services and plugins on disk, and the `architect` command run on them, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from architect_cli import supervise
from architect_cli.main import main
from architect_core.plugins import loading

PATIENCE = 30.0
MARK = "CLI_TEST_MARK"
FOUND = shutil.which("architect", path=str(Path(sys.executable).parent))
COMMAND = [FOUND] if FOUND else [sys.executable, "-c", "from architect_cli.main import main; main()"]

# each writes its environment to a file first, because what it prints is masked
REPORT = """
import json, os, pathlib, socket, sys, time
ME = os.environ["ARCHITECT_CURRENT_SERVICE"]
REPORTS = pathlib.Path(os.environ["REPORTS"])
(REPORTS / (ME.replace("/", ".") + ".json")).write_text(json.dumps(dict(os.environ)))
with (REPORTS / "started").open("a") as started:
    started.write(ME + "\\n")
"""
LISTEN = """
listener = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
print("serving", flush=True)
def serve():
    while True:
        listener.accept()[0].close()
"""
SERVER = REPORT + LISTEN + "serve()\n"
SCRIPT = REPORT
WAITING_SCRIPT = REPORT + "print('waiting', flush=True)\ntime.sleep(100)\n"

TOY_GENERATOR = """
import hashlib, pathlib, time
from architect_core.contract import StubGenerator
from architect_core.exceptions import StubError
from architect_core.contract import hookimpl

ARCHITECT_CONTRACT = 2

class Toy(StubGenerator):
    def checksum(self, definitions):
        digest = hashlib.sha256()
        for file in definitions.files:
            path = definitions.folder / file
            if not path.is_file():
                raise StubError(f"{definitions.service}: there is no {path}")
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def generate(self, definitions):
        made = {}
        for file in definitions.files:
            for number, line in enumerate((definitions.folder / file).read_text().splitlines(), 1):
                word, _, rest = line.partition(" ")
                if word == "wrong":
                    raise StubError(f"{file}:{number}: does not compile")
                if word == "crash":
                    raise KeyError("a fault of the plugin")
                if word == "many":
                    made |= {f"many/m{each}.py": b"#" * 100 for each in range(4000)}
                if word == "wait":
                    pathlib.Path(rest).touch()
                    time.sleep(0.4)
                if word == "stay":
                    pathlib.Path(rest).touch()
                    time.sleep(60)
            stem = pathlib.PurePath(file).stem
            made[f"{stem}.py"] = f"TEXT = {(definitions.folder / file).read_text()!r}\\n".encode()
            made[f"inner/{stem}_types.py"] = b""
        return made

    def finish(self, stubs, folder):
        (folder / "finished").write_text(" ".join(sorted(stubs)))
        return [f"{name} is odd" for name, place in stubs.items() if "odd" in (place / "service.py").read_text()]

TOY = Toy()

@hookimpl
def architect_stub_generator():
    return TOY
"""

MEMORY_PROVISIONER = """
import sys, time, pathlib
from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_core.contract import hookimpl

ARCHITECT_CONTRACT = 2

SERVER = '''
import os, socket, sys, time
for line in sys.argv[2:]:
    print(line, flush=True)
if "dies" in sys.argv:
    sys.exit(4)
if "silent" in sys.argv:
    time.sleep(100)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if "short" in sys.argv:
    listener.accept()
    time.sleep(0.5)
    sys.exit(5)
while True:
    listener.accept()[0].close()
'''

class Memory(DatastoreProvisioner):
    def provision(self, wanted, folder, port):
        name = wanted.get("name", "data")
        (folder / "data").write_text(name)
        if name == "missing":
            raise RunError("there is no memory server. apt-get install one")
        if name == "fault":
            raise ZeroDivisionError("memory")
        if name == "stuck":
            time.sleep(100)
        password = wanted.get("password", "made-up-for-the-run")
        entry = {"host": "127.0.0.1", "port": port, "username": wanted.get("username", "memory"),
                 "password": password, "name": name}
        if name == "nothing":
            return Provisioned({"name": str(folder / "data")})
        def prepare():
            if name == "unprepared":
                raise RuntimeError(f"cannot log in with {password}")
            (folder / "prepared").touch()
        return Provisioned(entry, (sys.executable, "-c", SERVER, str(port), name, password), prepare=prepare)

@hookimpl
def architect_datastore_provisioner():
    return Memory()
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    def succeeded(self) -> str:
        """The standard output, after the exit code 0 and nothing on the standard error."""
        assert self.returncode == 0, self.stdout + self.stderr
        assert self.stderr == ""
        return self.stdout

    def failed(self) -> str:
        """The standard error, after the exit code 1 and no traceback."""
        assert self.returncode == 1, self.stdout + self.stderr
        assert "Traceback" not in self.stdout + self.stderr
        assert self.stderr.startswith("architect: ")
        return self.stderr


class Running:
    """A command that runs in a process of its own; its output is in a file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, system: System) -> None:
        self.process = process
        self.output = output
        self._system = system

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> Running:
        wait_until(lambda: text in self.printed() or self.process.poll() is not None, self.printed)
        assert text in self.printed(), self.printed()
        return self

    def inner(self) -> psutil.Process:
        """The second process of the command."""
        return psutil.Process(self.process.pid).children()[0]

    def ends(self, *signals: int) -> int:
        """Its exit code, after these signals."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class System:
    """A folder with services, plugins and a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = secrets.token_hex(8)
        self.temporary, self.reports, self.site = (folder / name for name in ("tmp", "reports", "site"))
        for each in (self.temporary, self.reports, self.site):
            each.mkdir()
        self._running: list[Running] = []

    def service(self, name: str, program: str | None = None, *, folder: str | None = None, **manifest: Any) -> Path:
        """A service in a folder of the last part of its name; `program` is its main.py."""
        place = self.folder / (folder or name.rpartition("/")[2])
        place.mkdir(parents=True, exist_ok=True)
        (place / "architect.json").write_text(json.dumps({"name": name, **manifest}))
        if program is not None:
            (place / "main.py").write_text(textwrap.dedent(program))
        return place

    def server(self, name: str, program: str = SERVER, **manifest: Any) -> Path:
        """The same for one with an api."""
        return self.service(name, program, **{"api": {"type": "rest"}, **manifest})

    def plugin(self, name: str, source: str, *, serves: str | None = None) -> None:
        """Install a distribution with one plugin, as pip would lay it out."""
        info = self.site / f"architect_{name}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: architect-{name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[architect]\n{serves or name} = architect_{name}_plugin\n")
        (self.site / f"architect_{name}_plugin.py").write_text(source)

    def overrides(self, services: Mapping[str, Any]) -> str:
        """A file for --config."""
        file = self.folder / "overrides.json"
        file.write_text(json.dumps({"services": services}))
        return str(file)

    def installed_beside(self) -> list[str]:
        """The distributions of plugins that are installed beside the command."""
        return sorted({loading.named(entry)[0] for entry in loading.installed()} - {"architect-command"})

    def environ(self, **more: str) -> dict[str, str]:
        unwanted = ("ARCHITECT", "NO_COLOR", "FORCE_COLOR", "PYTHONPATH", "HOST", "PORT", "PYTEST")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        own = {MARK: self.mark, "TMPDIR": str(self.temporary), "REPORTS": str(self.reports)}
        return environ | own | {"PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": "1"} | more

    def architect(
        self, *arguments: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Done:
        """Run the command to its end in this process; `run` without the two processes that watch each other."""
        with self._inside(cwd or self.folder, self.environ(**environ or {})):
            result = CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False, prog_name="architect")
        return Done(result.exit_code, result.stdout, result.stderr)

    @contextlib.contextmanager
    def _inside(self, cwd: Path, environ: Mapping[str, str]) -> Iterator[None]:
        """This process with another environment and working directory, and with the plugins of the system."""
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(environ):
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.chdir(cwd)
            patch.syspath_prepend(self.site)
            patch.setattr(supervise, "supervised", _unsupervised)
            patch.setattr(tempfile, "tempdir", environ["TMPDIR"])
            try:
                yield
            finally:
                for name in [name for name in sys.modules if (self.site / f"{name}.py").exists()]:
                    del sys.modules[name]

    def process(
        self, *arguments: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None, **options: Any
    ) -> Done:
        """Run the command to its end in a process of its own."""
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd or self.folder,
            env=self.environ(**environ or {}),
            **({"stdin": subprocess.DEVNULL} | options if "input" not in options else options),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def succeeds(self, *arguments: str | Path, **options: Any) -> str:
        """What the command prints; it must end with 0."""
        return self.architect(*arguments, **options).succeeded()

    def fails(self, *arguments: str | Path, **options: Any) -> str:
        """What the command prints on its standard error; it must end with 1 and without a traceback."""
        return self.architect(*arguments, **options).failed()

    def start(self, *arguments: str | Path, command: Sequence[str] = COMMAND, **environ: str) -> Running:
        output = self.folder / f"output-{len(self._running)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*command, *map(str, arguments)],
                cwd=self.folder,
                env=self.environ(**environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,  # as a shell starts it, so that it can be stopped and go on
            )
        self._running.append(Running(process, output, self))
        return self._running[-1]

    def on_terminal(self, *arguments: str | Path, **environ: str) -> tuple[int, str]:
        """Run the command with a terminal as its outputs; gives the exit code and what was shown."""
        master, slave = pty.openpty()
        try:
            process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                cwd=self.folder,
                env=self.environ(TERM="xterm", **environ),
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=slave,
            )
            os.close(slave)
            shown = b""
            while chunk := _read_terminal(master):
                shown += chunk
            return process.wait(PATIENCE), shown.decode()
        finally:
            os.close(master)

    def variables_of(self, name: str) -> dict[str, str]:
        """The environment that a service reported."""
        return dict(json.loads((self.reports / f"{name.replace('/', '.')}.json").read_text()))

    def services_of(self, name: str) -> dict[str, Any]:
        """The `ARCHITECT` that it reported."""
        return dict(json.loads(self.variables_of(name)["ARCHITECT"]))

    def started(self) -> list[str]:
        file = self.reports / "started"
        return file.read_text().split() if file.exists() else []

    def processes(self) -> list[psutil.Process]:
        """Every process that this test has started and that is alive."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def assert_nothing_is_left(self) -> None:
        wait_until(lambda: not self.processes() and not any(self.temporary.iterdir()), self._left)
        assert self._left() == "[] []"

    def _left(self) -> str:
        return f"{[process.cmdline() for process in self.processes()]} {list(self.temporary.iterdir())}"

    def close(self) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for running in self._running:
            running.process.wait()


def wait_until(condition: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def without_root_s_rights() -> None:
    """In a child: let the modes of files hold for root, too."""
    import ctypes

    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
                os.kill(os.getpid(), signal.SIGKILL)


def _read_terminal(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # what Linux gives when nobody has the other end open
        return b""


def _unsupervised(work: Callable[[Path], int]) -> int:
    with tempfile.TemporaryDirectory(prefix="architect-run-", dir=os.environ["TMPDIR"]) as folder:
        return work(Path(folder))
