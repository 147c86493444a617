"""`architect relay`: moves the events of a service from its outbox to where they go."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from functools import partial

from architect_core.contract import Command, hookimpl
from architect_core.resolver.resolver import Resolver
from architect_events.commands.running import at_least_one, positive, show_log

ARCHITECT_CONTRACT = 2

_log = logging.getLogger("architect.events")


class RelayCommand(Command):
    """Relays until SIGTERM or SIGINT, or until nothing is left."""

    summary = "Move events from a service's outbox and from the broker to where they go."

    def run(self, arguments: Sequence[str]) -> int:
        """Returns 0; with `--until-empty`, 1 if something could not be delivered."""
        given = _parser(self.summary).parse_args(arguments)
        show_log()
        # not above, because `architect --help` imports this module
        from architect_events.commands.places import outbox_of
        from architect_events.consuming.relaying import Relay, Settings
        from architect_events.consuming.run import stopping
        from architect_events.publishing import channels
        from architect_events.schedule import DELIVERIES, Schedule

        resolver = Resolver()
        store = None if given.no_outbox else outbox_of(resolver, given.datastore)
        schedule = DELIVERIES if given.delays is None else Schedule(given.delays)
        settings = Settings(given.concurrency, given.batch, given.timeout, given.keep * 3600, schedule)
        relay = Relay(resolver, channels(), store, settings)
        name, loop = relay.name, channels().loop
        _log.info("the relay of %s begins: %s", name, relay.plan)
        with stopping(partial(loop.call, relay.stop)):
            loop.run(relay.run(until_empty=given.until_empty))
        done, failed, dead = relay.counts.done, relay.counts.failed, relay.counts.dead
        _log.info("the relay of %s ends: %d delivered, %d attempts failed, %d dead", name, done, failed, dead)
        return 1 if given.until_empty and failed else 0


def _parser(summary: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("architect relay", description=f"{summary} It ends after SIGTERM or SIGINT.")
    outbox = parser.add_mutually_exclusive_group()
    outbox.add_argument(
        "--datastore", metavar="NAME", help="the datastore with the outbox; not needed if only one can hold one"
    )
    outbox.add_argument("--no-outbox", action="store_true", help="only post what arrives from the broker")
    parser.add_argument("--until-empty", action="store_true", help="end when nothing is left that is due")
    numbers = (
        ("--concurrency", at_least_one, 32, "N", "requests that one subscriber gets at once"),
        ("--batch", at_least_one, 100, "N", "events that are sent to a broker together"),
        ("--timeout", positive, 15.0, "SECONDS", "what a subscriber or the broker may take"),
    )
    for option, kind, default, metavar, text in numbers:
        parser.add_argument(option, type=kind, default=default, metavar=metavar, help=f"{text} ({default:g})")
    parser.add_argument(
        "--keep",
        type=positive,
        default=0.0,
        metavar="HOURS",
        help="how long delivered events stay in the outbox, for `architect events replay` (0)",
    )
    parser.add_argument(
        "--delays",
        type=_delays,
        metavar="SECONDS,...",
        help="the delays after failed attempts, after the last of which an event is dead (5,300,... up to a day)",
    )
    return parser


def _delays(text: str) -> tuple[float, ...]:
    return tuple(map(positive, text.split(",")))


@hookimpl
def architect_command() -> Command:
    return RelayCommand()
