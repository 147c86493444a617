"""requests' own tests pass with our client, but for what is listed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.exhaustive
def test_requests_own_tests_pass_with_our_client_but_for_what_is_listed():
    script = Path(__file__).with_name("requests_suite.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
