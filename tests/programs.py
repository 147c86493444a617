"""Programs for the tests to start, and the `architect` command as a function."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from architect_cli.main import main

RECORDER = """
    import json, os
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Recorder(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            print(self.command, self.path, body, flush=True)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")
        do_GET = do_POST = do_PUT = do_DELETE = answer
        def log_message(self, *args): ...

    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Recorder).serve_forever()
"""

PAYMENTS = """
    import os
    from concurrent import futures
    import grpc
    import architect.sdk as architect

    payments = architect.current_service()

    class Payments(payments.Servicer):
        def Pay(self, request, context):
            return payments.defs.PayResponse(output=request.amount * 2)

    server = grpc.server(futures.ThreadPoolExecutor(2))
    payments.add_servicer(Payments(), server)
    server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
    server.start()
    server.wait_for_termination()
"""

COMMAND = shutil.which("architect", path=str(Path(sys.executable).parent)) or "architect"


def call_command(*arguments: str, cwd: Path, **environ: str) -> Result:
    """Call the `architect` command's function in `cwd`, with `environ` and no other variables of architect.

    An exception that the command lets through is raised. `run` needs a process of its own: it ends all descendants.
    """
    assert arguments[0] != "run"
    unset = {name: None for name in os.environ if name.startswith("ARCHITECT")}
    with contextlib.chdir(cwd):
        return CliRunner().invoke(main, arguments, env={**unset, **environ}, catch_exceptions=False)


def architect(*arguments: str) -> str:
    """Call the `architect` command's function, which has to succeed; returns what it printed."""
    done = call_command(*arguments, cwd=Path.cwd())
    assert done.exit_code == 0, done.output
    return done.stdout


def write_grpc_service(folder: Path, name: str, definition: str) -> None:
    """Write a service with `definition` as its service.proto, and `../client`, which depends on it, with stubs."""
    folder.mkdir()
    (folder / "service.proto").write_text(definition)
    api = {"type": "grpc", "definitions": ["./service.proto"]}
    (folder / "architect.json").write_text(json.dumps({"name": name, "api": api}))
    client = folder.parent / "client"
    client.mkdir()
    manifest = {"name": "acme/client", "dependencies": {name: f"file:../{folder.name}"}}
    (client / "architect.json").write_text(json.dumps(manifest))
    architect("install", "--prefix", str(client), "--recursive")
