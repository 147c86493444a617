"""Runs requests' own tests with our client in place of `requests.Session`: `uv run python tests/requests_suite.py`.

They are those of the source distribution of the installed version. What differs by design is listed below, with the
reason; the program fails if anything else differs, or if what is listed does not. A test that fails with requests' own
session too, such as one that needs a network, says nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from environments import build_wheels, create_environment

_A_PATH = "a URL without a scheme is a path of the service, and not an error"
DIFFERENCES = {
    "test_lowlevel.py::test_chunked_encoding_error": "a GET whose answer breaks off is sent again",
    "test_requests.py::TestRequests::test_invalid_url[MissingSchema-hiwpefhipowhefopw]": _A_PATH,
    "test_requests.py::TestRequests::test_invalid_url[InvalidSchema-localhost:3128]": _A_PATH,
    "test_requests.py::TestRequests::test_invalid_url[InvalidSchema-localhost.localdomain:3128/]": _A_PATH,
    "test_requests.py::TestRequests::test_invalid_url[InvalidSchema-10.122.1.1:3128/]": _A_PATH,
    "test_requests.py::TestRequests::test_session_close_proxy_clear": "one adapter is mounted for http and https, and "
    "closed for each",
    "test_requests.py::TestTimeout::test_encoded_methods": "the attempts of the test before it keep httpbin, which "
    "answers one request at a time, busy for longer than the client's own timeout",
}

# requests' tests call several servers with one session, so that a session becomes a client of each in turn
PLUGIN = """
import requests
from architect_rest import RestClient
from architect_rest.sync.urls import origin_of

OPTIONS = {"jail": "origin", "circuit_breaker": False}  # some tests have a server that never answers

class Session(RestClient):
    def __init__(self):
        super().__init__("http://localhost", **OPTIONS)

    def become_client_of(self, url):
        origin = origin_of(url.decode() if isinstance(url, bytes) else str(url))
        if origin is None or origin.scheme not in {"http", "https"} or origin_of(self.base_url) == origin:
            return
        other = RestClient(str(origin), **OPTIONS)
        for name in ("_base_url", "_fast", "_service_scope"):
            setattr(self, name, getattr(other, name))
        for prefix, adapter in other.adapters.items():
            if type(self.adapters.get(prefix)) is type(adapter):
                self.mount(prefix, adapter)

    def request(self, method, url, *args, **kwargs):
        self.become_client_of(url)
        return super().request(method, url, *args, **kwargs)

    def prepare_request(self, request):
        self.become_client_of(request.url)
        return super().prepare_request(request)

    def send(self, request, **kwargs):
        if not hasattr(request, "_chain"):  # no redirect
            self.become_client_of(request.url or "")
        return super().send(request, **kwargs)

requests.Session = requests.sessions.Session = Session
"""
NEEDS = ("pytest>=8,<10", "pytest-httpbin==2.1.0", "httpbin~=0.10.0", "trustme", "pysocks")


def run(folder: Path) -> int:
    """Run the tests in a new environment in `folder`; returns the exit code."""
    wanted = f"requests=={version('requests')}"
    build_wheels(folder / "wheels")
    environ = create_environment(folder / "environment", folder / "wheels", "core", "rest", wanted, *NEEDS, pip=True)
    download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, wanted]
    subprocess.run(["python", "-m", *download], check=True, env=environ)
    with tarfile.open(next(folder.glob("requests-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    source = next(path for path in folder.glob("requests-*") if path.is_dir())
    (source / "our_session.py").write_text(PLUGIN)

    def failing(*arguments: str) -> set[str]:
        # the plugin is in this folder; requests itself is the installed one
        command = ["python", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)
        print(done.stdout.splitlines()[-1])
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return set(re.findall(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE))

    differing = failing("-p", "our_session", "tests")
    unexpected = differing - set(DIFFERENCES)
    if unexpected:
        unexpected -= failing(*(f"tests/{each}" for each in sorted(unexpected)))
    unneeded = set(DIFFERENCES) - differing
    for title, tests in {"differ": unexpected, "are listed and do not differ": unneeded}.items():
        for each in sorted(tests):
            print(f"{title}: {each}")
    return 1 if unexpected or unneeded else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(run(Path(temporary)))
