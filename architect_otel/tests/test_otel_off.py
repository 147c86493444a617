"""Without an observer, nothing of OpenTelemetry is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import architect.sdk as architect
architect.configure({"acme/billing": {"host": "127.0.0.1", "port": %d, "api": "rest"}})
client = architect.service("acme/billing").client
assert client.get("/x").status_code == 200
assert client.get_adapter("http://").observer is None
print([name for name in sys.modules if name.startswith(("opentelemetry", "architect_otel"))])
"""


def test_a_client_that_is_not_observed_imports_nothing_of_it(port):
    pytest.importorskip("architect_rest", reason="architect-rest is not installed")
    done = subprocess.run([sys.executable, "-c", PROGRAM % port], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
