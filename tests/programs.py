"""Programs that tests start in processes of their own, and the command that prepares one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from workspace import clean_environ

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


def architect(*arguments: str) -> str:
    """Run the `architect` command to its end; gives what it printed."""
    done = subprocess.run([COMMAND, *arguments], env=clean_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_grpc_service(folder: Path, name: str, definition: str) -> None:
    """A service whose `service.proto` is `definition`, and a script in `../client` that depends on it; with stubs."""
    folder.mkdir()
    (folder / "service.proto").write_text(definition)
    api = {"type": "grpc", "definitions": ["./service.proto"]}
    (folder / "architect.json").write_text(json.dumps({"name": name, "api": api}))
    client = folder.parent / "client"
    client.mkdir()
    manifest = {"name": "acme/client", "dependencies": {name: f"file:../{folder.name}"}}
    (client / "architect.json").write_text(json.dumps(manifest))
    architect("install", "--prefix", str(client), "--recursive")
