"""The operating system's account for PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from architect_core.exceptions import RunError

_SECONDS = 120.0


@dataclass(frozen=True)
class Account:
    """The account that runs PostgreSQL's programs.

    Attributes:
        name: its name; empty for the account of this process.
        ids: its user and group id; None for the account of this process.
    """

    name: str = ""
    ids: tuple[int, int] | None = None

    def run(
        self, command: Sequence[str], folder: Path, environ: Mapping[str, str], text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in `folder` until it ends, with `text` as its input.

        Raises:
            OSError: it cannot be started.
            subprocess.TimeoutExpired: it runs for more than two minutes.
        """
        user, group = self.ids or (None, None)
        return subprocess.run(  # noqa: S603 - the command is made here
            command,
            cwd=folder,
            env=environ,
            user=user,
            group=group,
            extra_groups=() if self.ids else None,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )


def choose_account(folder: Path) -> Account:
    """Returns the account of this process; for root, that of `postgres` or `nobody`.

    Raises:
        RunError: there is no such account, or it cannot enter `folder`.
    """
    if os.geteuid() != 0:
        return Account()
    account = next(filter(None, map(_account, ("postgres", "nobody"))), None)
    if account is None:
        raise RunError(
            "PostgreSQL does not run as root, and there is no user postgres or nobody for it. Run architect as another "
            "user, or add one: useradd --system postgres"
        )
    folder.chmod(0o711)
    try:
        # as an argument: a program's working directory is entered before its user changes
        entering = account.run(("/bin/sh", "-c", 'cd "$1"', "sh", str(folder.absolute())), Path("/"), {})
        entered = entering.returncode == 0
    except OSError:
        entered = False
    if not entered:
        raise RunError(
            f"PostgreSQL does not run as root but as the user {account.name}, which cannot enter {folder}. Set TMPDIR "
            "to a folder that every user can enter, such as /tmp, or run architect as another user"
        )
    return account


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, (entry.pw_uid, entry.pw_gid)) if entry.pw_uid else None
