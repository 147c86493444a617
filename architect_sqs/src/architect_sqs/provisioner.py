"""Starts a server of SNS and SQS, ministack, for `architect run --events sqs`."""

from __future__ import annotations

import importlib.util
import secrets
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
_REGION = "eu-central-1"
_PACKAGES = ("ministack", "hypercorn")


class SqsProvisioner(DatastoreProvisioner):
    """Starts ministack, of this Python's environment; it keeps its queues in memory, and takes any login."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:
        """The login is random, unless one is wanted.

        Raises:
            RunError: ministack or hypercorn is not installed.
        """
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise RunError(
                f"a server of SQS cannot be started: {' and '.join(missing)} cannot be imported. "
                f"pip install {' '.join(_PACKAGES)}, state a region of AWS (--events sqs://{_REGION}), or use a file: "
                "--events sqlite"
            )
        return Provisioned(
            entry={
                "url": f"sqs://{_REGION}",
                "username": wanted.get("username", "architect"),
                "password": wanted.get("password") or secrets.token_urlsafe(),
                "options": {"endpoint": f"http://{HOST}:{port}"},
            },
            command=(sys.executable, "-m", "hypercorn", "--bind", f"{HOST}:{port}", "ministack.app:app"),
            env={"SERVICES": "sqs,sns", "HOME": str(folder)},
            keeps=False,
        )
