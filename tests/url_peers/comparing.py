"""Compares two readings of a text, and finds the reason for a difference on a list."""

from __future__ import annotations

import ssl
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from architect_core.contract import Credentials
from architect_core.exceptions import ArchitectError, DriverError
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver


class _Context(ssl.SSLContext):
    """A context that loads no files, which takes long."""

    def __new__(cls, **_: object) -> _Context:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, **_: object) -> None:
        """Takes the arguments of `ssl.create_default_context`."""

    def load_cert_chain(self, *_: object, **__: object) -> None:
        """Does not."""


PLUGINS = Plugins()
REFUSED = "refused by architect"
ACCEPTED = "refused by the peer"
ANY = ("*",)


def credentials(**entry: Any) -> Credentials:
    """Returns the credentials of a datastore with this entry."""
    config = {"shop": {"datastores": {"db": entry}}}
    return Resolver(config, current_service="shop", root="/nowhere", plugins=PLUGINS).datastore("db")


@dataclass(frozen=True)
class Peer:
    """A function of another library that reads a text, and what a datastore with this text gives the same library.

    Attributes:
        name: the library and its function.
        link: the grammar that the texts are drawn from.
        texts: draws texts.
        theirs: returns what the peer reads; raises any exception if it refuses the text.
        ours: returns what we read, by the same names; raises ArchitectError if we refuse it.
    """

    name: str
    link: str
    texts: st.SearchStrategy[str]
    theirs: Callable[[str], dict[str, Any]]
    ours: Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One text, read by both; a reading is empty if the text was refused."""

    peer: str
    text: str
    theirs: dict[str, Any]
    ours: dict[str, Any]
    error: str = ""

    @property
    def location(self) -> str:
        """The text up to a "?"."""
        return self.text.partition("?")[0]

    @property
    def options(self) -> set[str]:
        """The names in the query."""
        return set(parse_qs(self.text.partition("?")[2], keep_blank_values=True))

    @property
    def differing(self) -> list[str]:
        """The fields that differ, or only that one of both refused the text."""
        if not self.theirs and not self.ours:
            return []
        if not self.ours:
            return [REFUSED]
        if not self.theirs:
            return [ACCEPTED]
        return sorted(
            key for key in self.theirs.keys() | self.ours.keys() if self.theirs.get(key) != self.ours.get(key)
        )


@dataclass(frozen=True)
class Difference:
    """A difference by design.

    Attributes:
        peers: the names of the peers start with one of these.
        fields: what differs; fields, `REFUSED` or `ACCEPTED`; `ANY` are all fields.
        when: whether a case is one of this difference.
        what: what architect does, in the documentation.
        reason: why, likewise.
        link: the specification that says so.
        example: a text that shows it, read by the first of the peers.
    """

    peers: tuple[str, ...]
    fields: tuple[str, ...]
    when: Callable[[Case], bool] = field(repr=False)
    what: str
    reason: str
    link: str
    example: str

    def explains(self, case: Case, name: str) -> bool:
        """Returns whether it is the reason why the field `name` differs."""
        of_fields = name in self.fields or (self.fields == ANY and name not in {REFUSED, ACCEPTED})
        return case.peer.startswith(self.peers) and of_fields and self.when(case)


def refusal(*texts: str) -> Callable[[Case], bool]:
    """Whether we refuse a text with one of these messages."""
    return lambda case: any(text in case.error for text in texts)


def overrides(case: Case) -> bool:
    """Whether the query has a field of the URL."""
    return bool({"host", "port", "user", "username", "password", "dbname", "database"} & case.options)


def read(peer: Peer, text: str) -> Case:
    """Returns what both read in a text."""
    with patch("ssl.create_default_context", _Context), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers
        return _read(peer, text)


def _read(peer: Peer, text: str) -> Case:
    error = ""
    try:
        theirs = peer.theirs(text)
    except Exception:  # whatever a peer raises
        theirs = {}
    try:
        ours = peer.ours(text)
    except ArchitectError as problem:
        ours, error = {}, str(problem)
    return Case(peer.name, text, _stated(theirs), _stated(ours), error)


def explain(case: Case, differences: Sequence[Difference]) -> list[Difference]:
    """Returns the differences that a case shows; raises AssertionError if one is not on the list."""
    found = []
    for name in case.differing:
        known = next((each for each in differences if each.explains(case, name)), None)
        assert known is not None, (
            f"{case.peer} and architect differ: {name}\n  text:   {case.text}\n  theirs: {case.theirs}\n"
            f"  ours:   {case.ours or case.error}"
        )
        found.append(known)
    return found


def replay(peer: Peer, differences: Sequence[Difference], examples: int) -> Counter[str]:
    """Draws texts; returns how often each difference, by its `what`, was seen; the count of "" is that of all texts.

    Raises:
        AssertionError: there is a difference that is not on the list.
    """
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(peer.texts)
    def draw(text: str) -> None:
        case = read(peer, text)
        seen[""] += 1
        seen.update({each.what for each in explain(case, differences)})

    draw()
    return seen


def _stated(reading: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reading.items() if value is not None}


def by_peer(function: Callable[..., dict[str, Any]], *arguments: Any, **keywords: Any) -> dict[str, Any]:
    """Calls a function of the peer with what we made for it; what it raises counts as our refusal."""
    try:
        return function(*arguments, **keywords)
    except Exception as problem:
        raise DriverError(f"the peer refuses what we made: {problem}") from None


def same_host(reading: dict[str, Any]) -> dict[str, Any]:
    """Has a reading's host in lower case, as case has no meaning in a name."""
    host = reading.get("host")
    return {**reading, "host": host.lower()} if isinstance(host, str) else reading
