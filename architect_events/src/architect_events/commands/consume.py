"""`architect consume`: calls the handlers of modules."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path, PurePath

from architect_core.contract import Command, EventRuntime, hookimpl
from architect_core.exceptions import ConfigError
from architect_core.resolver.events import handlers
from architect_core.resolver.resolver import Resolver
from architect_events.commands.running import at_least_one, show_log

ARCHITECT_CONTRACT = 2


class ConsumeCommand(Command):
    """Imports modules and calls their handlers until SIGTERM or SIGINT."""

    summary = "Call the handlers of modules for the events that the broker of ARCHITECT_EVENTS keeps."

    def run(self, arguments: Sequence[str]) -> int:
        """Returns 0 once it was stopped and the calls that ran have ended."""
        parser = argparse.ArgumentParser("architect consume", description=self.summary)
        parser.add_argument("modules", nargs="+", metavar="MODULE", help="a module of the current folder: shop.letters")
        parser.add_argument("--concurrency", type=at_least_one, default=10, metavar="N", help="calls at once (10)")
        given = parser.parse_args(arguments)
        show_log()
        folder = str(Path.cwd())
        if folder not in sys.path:
            sys.path.insert(0, folder)
        for name in given.modules:
            _import_handlers(name)
        resolver = Resolver()
        runtime: EventRuntime = resolver.events
        runtime.consume(resolver, given.concurrency)
        return 0


def _import_handlers(name: str) -> None:
    """Raises ConfigError if the module cannot be imported, or has no handler."""
    if not all(part.isidentifier() for part in name.split(".")) or (Path.cwd() / name).is_file():
        named = ".".join(filter(str.isidentifier, PurePath(name).with_suffix("").parts)) if name else ""
        raise _error(name, f"is no name of a module; write it as in an import, such as {named or 'shop.letters'}")
    known = set(handlers.values())
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and f"{name}.".startswith(f"{problem.name}."):
            raise _error(name, f"there is no such module in {Path.cwd()}, nor is it installed") from None
        raise _error(name, _described(problem)) from problem
    except Exception as problem:
        raise _error(name, _described(problem)) from problem
    of_module = {each for each in handlers.values() if each.function.__module__ == name}
    if not of_module and known >= set(handlers.values()):
        raise _error(name, "has no handler: decorate a function of it with architect.on")


def _described(problem: Exception) -> str:
    file: str | None
    if isinstance(problem, SyntaxError):
        text, file, line = problem.msg, problem.filename, problem.lineno
    else:
        last = traceback.extract_tb(problem.__traceback__)[-1]
        text, file, line = str(problem), last.filename, last.lineno
    return f"cannot be imported: {type(problem).__name__}: {text} ({file}, line {line})"


def _error(module: str, reason: str) -> ConfigError:
    return ConfigError(f"the module {module!r}", [("", reason)])


@hookimpl
def architect_command() -> Command:
    return ConsumeCommand()
