"""Finds two names that lead to one variable or resource of a platform."""

from __future__ import annotations

import threading

from architect_core.exceptions import ConfigError


class Claims:
    """The name that each variable was read for."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def claim(self, variable: str, name: str) -> None:
        """Records that `variable` was read for `name`.

        Raises:
            ConfigError: it was read for another name before.
        """
        with self._lock:
            other = self._names.setdefault(variable, name)
        if other != name:
            raise ConfigError(
                variable if " " in variable or "/" in variable else f"the environment variable {variable}",
                [("", f"is meant for {other!r} and for {name!r}. Configure one of them in ARCHITECT, or rename one")],
            )
