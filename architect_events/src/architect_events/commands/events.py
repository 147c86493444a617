"""`architect events`: what is pending or dead, and what becomes of it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from architect_core.contract import Command
from architect_core.exceptions import RunError
from architect_core.resolver.resolver import Resolver
from architect_events.commands.running import at_least_one

if TYPE_CHECKING:
    from architect_events.commands.places import Place
    from architect_events.outbox.browsing import Selection

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class EventsCommand(Command):
    """Lists, retries, discards and replays events in an outbox, in an events file, and dead letters of a broker."""

    summary = "Show what events are pending or dead; retry, discard and replay them."

    def run(self, arguments: Sequence[str]) -> int:
        """Returns 0; raises RunError if the outbox or the broker cannot be reached, or nothing is selected."""
        given = _parser(self.summary).parse_args(arguments)
        try:
            text = _ACTIONS[given.action](given)
        except OSError as problem:
            raise RunError(f"architect events {given.action}: {problem}") from None
        print(text)  # noqa: T201 - the command's output
        return 0


def _init(given: argparse.Namespace) -> str:
    from architect_events.commands.places import store_of

    store = store_of(Resolver(), given.datastore)
    if given.sql:
        return "\n\n".join(f"{statement};" for statement in store.statements)
    with closing(store.database):
        store.create()
    return f"the tables of events exist in {store.database.where}"


def _list(given: argparse.Namespace) -> str:
    from architect_events.commands.places import places_of
    from architect_events.commands.showing import as_json, as_text, summary, table

    selection = _selection(given, [given.state] if given.state else ["pending", "dead"])
    shown, lines = [], list[str]()
    with places_of(Resolver(), given.datastore) as places:
        for place in places:
            counts = place.counts(selection)
            entries = place.find(selection, given.limit, bodies=given.payload) if counts else []
            shown.append(as_json(place.name, counts, entries))
            lines += [summary(place.name, counts), *table(entries, sum(each.count for each in counts))]
    return as_text(shown) if given.json else "\n".join(lines)


def _show(given: argparse.Namespace) -> str:
    from architect_events.commands.places import places_of
    from architect_events.commands.showing import as_text, details, entry_as_json
    from architect_events.outbox.browsing import Selection

    selection = Selection(ids=[given.id])
    with places_of(Resolver(), given.datastore) as places:
        found = [(place.name, each) for place in places for each in place.find(selection, 1000, bodies=given.payload)]
    if not found:
        raise RunError(f"there is no event {given.id!r} in {_names(places)}: it was delivered, or never kept")
    if given.json:
        return as_text([{"place": name, **entry_as_json(each)} for name, each in found])
    return "\n\n".join(details(name, each) for name, each in found)


def _change(given: argparse.Namespace) -> str:
    from architect_events.commands.places import places_of
    from architect_events.commands.showing import as_text

    action = given.action
    if action != "replay" and bool(given.ids) == given.all:
        raise RunError(f"architect events {action}: say which, by their ids or by --all, and not by both")
    # what is pending is discarded only by its id
    states = {"retry": ["pending", "dead"], "discard": [] if given.ids else ["dead"], "replay": []}[action]
    selection = _selection(given, states)
    with places_of(Resolver(), given.datastore) as places:
        changed = {place.name: getattr(place, action)(selection) for place in places}
    if given.ids and not any(changed.values()):
        reason = f"none of these is in {_names(places)}, or a relay delivers it at this moment"
        raise RunError(f"architect events {action}: {reason}")
    if given.json:
        return as_text([{"place": name, "count": count} for name, count in changed.items()])
    done = {"retry": "retried", "discard": "discarded", "replay": "replayed"}[action]
    return "\n".join(f"{name}: {count} {done}" for name, count in changed.items())


_ACTIONS = {
    "init": _init,
    "list": _list,
    "dead": _list,
    "show": _show,
    "retry": _change,
    "discard": _change,
    "replay": _change,
}


def _selection(given: argparse.Namespace, states: Sequence[str]) -> Selection:
    from architect_events.outbox.browsing import Selection

    return Selection(ids=given.ids, states=states, event=given.event, subscriber=given.subscriber, since=given.since)


def _names(places: Sequence[Place]) -> str:
    return " or ".join(place.name for place in places)


def _time(text: str) -> datetime:
    """A type of arguments: a time, or how long ago it was."""
    with suppress(ValueError, OverflowError):
        ago = re.fullmatch(r"(\d+)([smhd])", text)
        if ago:
            return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    raise argparse.ArgumentTypeError(f"{text!r} is no time, such as 2026-01-31T12:00, 90s, 30m, 2h or 7d")


def _parser(summary: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("architect events", description=summary)
    actions = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")

    def add(name: str, text: str, *, ids: bool = False, many: bool = True) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--datastore", metavar="NAME", help="the datastore with the outbox; only this is looked at")
        action.set_defaults(ids=[], event=None, subscriber=None, since=None)
        if ids:
            action.add_argument("ids", nargs="*", metavar="ID", help="of events, as `list` shows them")
            action.add_argument("--all", action="store_true", help="all that the other options select")
        if many:
            action.add_argument("--event", metavar="NAME", help="only those of this name")
            action.add_argument("--subscriber", metavar="NAME", help="only those for this subscriber")
            action.add_argument("--json", action="store_true", help="print JSON")
        return action

    def since(action: argparse.ArgumentParser, *, required: bool = False) -> None:
        text = "published since then: 2026-01-31T12:00 (in UTC, unless it has an offset), or 90s, 30m, 2h, 7d ago"
        action.add_argument("--since", type=_time, metavar="TIME", required=required, help=text)

    init = add("init", "Create the tables of outbox and inbox, if they do not exist.", many=False)
    init.add_argument("--sql", action="store_true", help="print the SQL instead, for a migration of your own")
    for name, text in (
        ("list", "Show the events that are pending or dead, with counts and ages."),
        ("dead", "Show the events that are dead: whose last attempt failed."),
    ):
        action = add(name, text)
        since(action)
        action.add_argument("--limit", type=at_least_one, default=50, metavar="N", help="show the N oldest (50)")
        action.add_argument("--payload", action="store_true", help="with their payloads")
        if name == "list":
            action.add_argument("--state", choices=("pending", "dead", "delivered"), help="only those in this state")
        else:
            action.set_defaults(state="dead")
    show = add("show", "Show one event, for each subscriber.", many=False)
    show.add_argument("id", metavar="ID")
    show.add_argument("--payload", action="store_true", help="with its payload")
    show.add_argument("--json", action="store_true", help="print JSON")
    since(add("retry", "Attempt events now, as if for the first time.", ids=True))
    since(add("discard", "Delete events. With --all: those that are dead.", ids=True))
    replay = add("replay", "Deliver again what was delivered, if `architect relay --keep` keeps it, and what is dead.")
    since(replay, required=True)
    return parser
