"""`architect consume` and `architect.consume()`, with events in a file of this machine."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from events_system import System, eventually

import architect.sdk as architect
from architect_core.exceptions import ConfigError, NoCurrentServiceError
from architect_core.resolver import events as core_events
from architect_core.resolver.resolver import Resolver

HANDLERS = """\
import asyncio, os, time
from pathlib import Path
import architect.sdk as architect

def note(text):
    with open("handled", "a") as file:
        file.write(text + "\\n")

@architect.on("acme/orders", "placed", timeout={timeout})
{handler}
"""
PLAIN = """\
def letter(event):
    note(f"{event.payload['order']} {event.attempt}")
"""
SLOW = """\
def letter(event):
    note(f"begin {event.payload['order']}")
    while not Path("gate").exists():
        time.sleep(0.01)
    note(f"end {event.payload['order']}")
"""
HANGING = """\
async def letter(event):
    note(f"begin {event.payload['order']} {event.attempt}")
    if event.attempt == 1:
        try:
            await asyncio.sleep(60)
        finally:
            note("cancelled")
"""
FAILING = """\
async def letter(event):
    note(f"{event.payload['order']} {event.attempt}")
    if event.attempt == 1:
        raise RuntimeError("not yet")
"""


class Letters:
    """The service acme/letters, which has handlers."""

    def __init__(self, folder: Path) -> None:
        self.system = System(folder)
        self.system.handle()
        self.broker = f"sqlite:///{folder}/events.db"
        self.folder = folder

    def write(self, handler: str, timeout: float = 10.0) -> None:
        text = HANDLERS.replace("{handler}", handler).replace("{timeout}", str(timeout))
        (self.folder / "handlers.py").write_text(text)

    def publish(self, *numbers: int, key: str | None = None) -> None:
        notification = self.system.resolver().notification("placed")
        for number in numbers:
            notification.publish({"order": number}, key=key)

    @property
    def handled(self) -> list[str]:
        file = self.folder / "handled"
        return file.read_text().splitlines() if file.exists() else []

    def start(self, *arguments: str):  # type: ignore[no-untyped-def]  # a context manager
        return self.system.started("consume", *(arguments or ("handlers",)), service="acme/letters", events=self.broker)


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Letters:
    mine = Letters(tmp_path)
    monkeypatch.setenv("ARCHITECT_EVENTS", mine.broker)
    return mine


def test_handlers_get_events_and_a_graceful_end_is_logged_with_counts(letters: Letters) -> None:
    letters.write(PLAIN)
    letters.publish(1, 2, 3)
    with letters.start() as process:
        eventually(lambda: len(letters.handled) == 3)
        letters.publish(4)
        eventually(lambda: len(letters.handled) == 4)
        process.signal(signal.SIGINT)
        code, log = process.end()
    assert sorted(letters.handled) == ["1 1", "2 1", "3 1", "4 1"]
    assert code == 0, log
    assert "acme/letters handles events: placed of acme/orders" in log
    assert "4 handled, 0 attempts failed, 0 dead" in log


def test_a_handler_that_raises_gets_the_event_again_and_its_traceback_is_logged(letters: Letters) -> None:
    letters.write(FAILING)
    letters.publish(7)
    with letters.start() as process:
        eventually(lambda: letters.handled == ["7 1", "7 2"])
        process.signal(signal.SIGTERM)
        _, log = process.end()
    assert "RuntimeError: not yet" in log
    assert '"order"' not in log


def test_events_of_a_key_wait_for_one_that_is_retried(letters: Letters) -> None:
    letters.write(FAILING)
    letters.publish(1, 2, 3, key="ada")
    with letters.start():
        eventually(lambda: len(letters.handled) == 6, 30)
    assert letters.handled == ["1 1", "1 2", "2 1", "2 2", "3 1", "3 2"]


def test_a_coroutine_is_cancelled_at_its_time_limit_and_the_event_comes_again(letters: Letters) -> None:
    letters.write(HANGING, timeout=0.2)
    letters.publish(7)
    with letters.start() as process:
        process.wait_for("took longer than 0.2 seconds")
        eventually(lambda: letters.handled == ["begin 7 1", "cancelled", "begin 7 2"])


def test_on_sigterm_running_handlers_end_and_others_do_not_begin(letters: Letters) -> None:
    letters.write(SLOW)
    letters.publish(1, 2)
    with letters.start("handlers", "--concurrency", "1") as process:
        eventually(lambda: letters.handled == ["begin 1"])
        process.signal(signal.SIGTERM)
        process.wait_for("1 calls that run may end")
        (letters.folder / "gate").touch()
        code, log = process.end()
    assert code == 0
    assert "1 handled" in log
    with letters.start():
        eventually(lambda: len(letters.handled) == 4)
    assert letters.handled == ["begin 1", "end 1", "begin 2", "end 2"]


def test_a_second_signal_ends_at_once_and_the_event_comes_again(letters: Letters) -> None:
    letters.write(SLOW)
    letters.publish(1)
    with letters.start() as process:
        eventually(lambda: letters.handled == ["begin 1"])
        process.signal(signal.SIGTERM)
        process.wait_for("1 calls that run may end")
        process.signal(signal.SIGTERM)
        code, _ = process.end()
    assert code == -signal.SIGTERM


def test_the_broker_may_be_away_at_the_start(letters: Letters) -> None:
    letters.write(PLAIN)
    letters.broker = f"sqlite:///{letters.folder}/away/events.db"
    with letters.start() as process:
        process.wait_for("cannot be reached, and is tried again")
        (letters.folder / "away").mkdir()
        process.wait_for("can be reached again")


def test_more_than_one_consumer_share_the_events(letters: Letters) -> None:
    letters.write(PLAIN)
    letters.publish(0)
    with letters.start(), letters.start():
        letters.publish(*range(1, 100))
        eventually(lambda: len(letters.handled) >= 100)
    assert sorted(int(line.split()[0]) for line in letters.handled) == list(range(100))


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        ("absent", None, "there is no such module"),
        ("handlers.absent", None, "there is no such module"),
        ("empty", "x = 1", "has no handler: decorate a function of it with architect.on"),
        ("handlers.py", None, "is no name of a module; write it as in an import, such as handlers"),
        ("./shop/letters.py", None, "is no name of a module; write it as in an import, such as shop.letters"),
        ("", None, "is no name of a module; write it as in an import, such as shop.letters"),
        ("broken", "\n1 +", "broken.py, line 2)"),
        ("broken", "\nimport missing", "cannot be imported: ModuleNotFoundError: No module named 'missing'"),
        ("broken", "\n1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_used_is_an_error(
    letters: Letters, module: str, text: str | None, message: str
) -> None:
    letters.write(PLAIN)
    if text is not None:
        (letters.folder / f"{module.split('.', maxsplit=1)[0]}.py").write_text(text)
    with letters.start("handlers", module) as process:
        code, log = process.end()
    assert code == 1
    assert message in log
    assert "Traceback" not in log


def test_without_a_broker_the_error_says_what_to_set(letters: Letters) -> None:
    letters.write(PLAIN)
    code, log = letters.system.run("consume", "handlers", service="acme/letters")
    assert code == 1
    assert "ARCHITECT_EVENTS: is not set" in log
    assert "Traceback" not in log


@pytest.fixture
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_events, "handlers", {})
    monkeypatch.setattr("architect_events.consuming.run.handlers", core_events.handlers)


@pytest.mark.usefixtures("_no_handlers")
def test_consuming_in_a_thread_needs_no_signals_and_a_fork_in_a_handler_is_harmless(letters: Letters) -> None:
    handled, children = [], []
    every = threading.Event()

    @architect.on("acme/orders", "placed")
    def letter(event: architect.Event) -> None:
        child = os.fork()
        if child:
            children.append(child)
            handled.append(event.payload["order"])
            if len(handled) == 2:
                every.set()

    resolver = letters.system.resolver("acme/letters")
    letters.publish(1)
    thread = threading.Thread(target=resolver.events.consume, args=(resolver, 2), daemon=True)
    thread.start()
    letters.publish(2)
    assert every.wait(20)
    assert sorted(handled) == [1, 2]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert thread.is_alive()


@pytest.mark.usefixtures("_no_handlers")
def test_consuming_without_a_handler_or_a_name_is_an_error(letters: Letters) -> None:
    resolver = letters.system.resolver("acme/letters")
    with pytest.raises(ConfigError, match="has no handler"):
        resolver.events.consume(resolver, 10)

    @architect.on("acme/orders", "placed")
    def letter(event: architect.Event) -> None:
        pass

    nameless = Resolver({})
    with pytest.raises(NoCurrentServiceError):
        nameless.events.consume(nameless, 10)
    with pytest.raises(ValueError, match="concurrency"):
        resolver.events.consume(resolver, 0)
