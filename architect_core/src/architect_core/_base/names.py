"""The forms of names, and help for messages about a name that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = r"[A-Za-z0-9]+(?:[-_]+[A-Za-z0-9]+)*"
SERVICE_NAME = re.compile(rf"{_WORD}(?:/{_WORD})?", re.ASCII)
EVENT_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*", re.ASCII)
PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
PROTOCOL = re.compile(r"[a-z0-9]+(?:[._+-]+[a-z0-9]+)*", re.ASCII)
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110
# the original platform checked none: numbers, tags such as "latest" and "v1.2.0", and ranges such as "^1.2"; no path
VERSION = re.compile(r"[A-Za-z0-9_*^~<>=][A-Za-z0-9_.*^~<>=|,+ -]{0,127}", re.ASCII)

MANIFEST_FILE = "architect.json"

_MOST_LISTED = 12


def stub_folder(name: str) -> str:
    """Returns the folder below `architect_services` with the stubs of the service `name`.

    >>> stub_folder("acme/payment-api")
    'acme/payment_api'
    """
    return name.replace("-", "_")


def did_you_mean(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns " (did you mean 'x'?)" with the nearest known name, or an empty text if none is `cutoff` alike, 0 to 1.

    >>> did_you_mean("acme/biling", ["acme/billing", "acme/shop"])
    " (did you mean 'acme/billing'?)"
    """
    if not isinstance(name, str):
        return ""
    import difflib

    by_folded = {candidate.casefold(): candidate for candidate in known if candidate != name}
    matches = difflib.get_close_matches(name[:200].casefold(), by_folded, n=1, cutoff=cutoff)
    return f" (did you mean {by_folded[matches[0]]!r}?)" if matches else ""


def listing(known: Iterable[str], what: str = "known") -> str:
    """Returns "known: a, b, c", cut after a dozen names."""
    names = list(known)
    if not names:
        return f"none is {what}"
    more = f", and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{what}: {', '.join(names[:_MOST_LISTED])}{more}"
