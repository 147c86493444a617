"""A SQLite database for one `architect run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import DatastoreProvisioner, Provisioned
from architect_core.exceptions import RunError
from architect_datastore.sqlite_drivers import MEMORY
from architect_datastore.wanted import wanted_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SqliteProvisioner(DatastoreProvisioner):
    """Makes an empty database, which is a file; nothing has to run."""

    def provision(self, wanted: Mapping[str, str], folder: Path, port: int) -> Provisioned:  # noqa: ARG002 - no server
        """The file is "data.db" in `folder` unless another name is asked for; ":memory:" stays what it is.

        Raises:
            RunError: the name that is asked for is not a plain file name.
        """
        name = wanted_text(wanted, "name", "data.db", "SQLite")
        if name == MEMORY:
            return Provisioned({"type": "sqlite", "name": MEMORY})
        if "/" in name or name in {".", ".."}:
            raise RunError("the name asked for of SQLite must be a file's name without a folder, such as data.db")
        path = folder / name
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as problem:
            reason = f"the SQLite database cannot be made in {folder}: {problem.strerror}"
        else:
            return Provisioned({"type": "sqlite", "name": str(path)})
        raise RunError(reason)
