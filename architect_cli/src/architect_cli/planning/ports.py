"""The ports of a run's services and servers."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from architect_cli.planning.plan import LOCAL
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def choose_ports(
    stated: Mapping[str, int | None],
    declared: Mapping[str, int],
    former: Mapping[str, int],
    note: Callable[[str], None],
) -> dict[str, int]:
    """Returns a port for each name of `stated`, no two the same.

    It is the stated one; else the one that the manifest declares, if it is free; else the one of the last run, if it is
    free; else any. `note` is called for each declared one that is not free. Raises RunError if a stated one is not.
    """
    taken: dict[str, str] = {}
    with contextlib.ExitStack() as held:
        chosen = _hold_stated(held, {name: port for name, port in stated.items() if port is not None})
        for ports in (declared, former):
            for name in stated:
                if name in ports and name not in chosen:
                    try:
                        chosen[name] = _hold(held, ports[name])
                    except OSError as problem:
                        taken.setdefault(name, os.strerror(problem.errno or 0))
        for name in stated:
            if name not in chosen:
                chosen[name] = _hold(held, 0)
    for name in [name for name in taken if name in declared]:
        reason = f"port {declared[name]} of its architect.json cannot be used ({taken[name]})"
        note(f"{name}: {reason}; it listens on {chosen[name]}")
    return chosen


def _hold_stated(held: contextlib.ExitStack, stated: Mapping[str, int]) -> dict[str, int]:
    owners: dict[int, str] = {}
    for name, port in stated.items():
        other = owners.setdefault(port, name)
        if other != name:
            raise RunError(f"{other} and {name} are both to listen on port {port}. Change one in --config")
        try:
            _hold(held, port)
        except OSError as problem:
            raise RunError(
                f"{name}: port {port} on {LOCAL} cannot be used: {os.strerror(problem.errno or 0)}. Stop what listens "
                "there, or state another port in --config"
            ) from problem
    return dict(stated)


def _hold(held: contextlib.ExitStack, port: int) -> int:
    """Bind a port, or any if it is 0, so that it is not chosen again."""
    listener = held.enter_context(socket.create_server((LOCAL, port)))
    return int(listener.getsockname()[1])
