"""What belongs to a service, and what a redirect takes along: decided once, for both clients and every transport."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from architect_rest.policy.origin import Origin

Jail = Literal["base", "origin"]
"""Where the URLs of a client have to stay: below its base URL, or anywhere in its origin."""

# those of RFC 9110, 9111, 7240 and 9530 that say which answer is wanted, and in which form; without one of them the
# answer is another: the whole file without Range, and what must not be changed without If-Match
_ANONYMOUS_HEADERS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "if-match",
        "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "pragma", "prefer", "range", "te",
        "user-agent", "want-content-digest", "want-repr-digest",
    }
)  # fmt: skip

# Servers differ in what separates the segments of a path. Some take a backslash for a slash, some decode an encoded
# one, and some decode twice.
_SLASH, _BACKSLASH = "%2f", r"\\|%5c"
_SEPARATORS = [
    re.compile(each, re.IGNORECASE) for each in ("/", f"/|{_SLASH}", f"/|{_BACKSLASH}", f"/|{_SLASH}|{_BACKSLASH}")
]
_DOT = re.compile("%2e", re.IGNORECASE)
_PARAMETERS = re.compile("(?:;|%3b).*", re.IGNORECASE | re.DOTALL)
_OF_ENCODING = re.compile("%(?:25)*(25|3[0-9]|[46][1-6])", re.IGNORECASE)  # "%" and hexadecimal digits


@dataclass(slots=True)
class Chain:
    """A call with the redirects that it follows.

    Attributes:
        service: the origin that the call was made to.
        has_left: whether a redirect has led to another service. Then the caller stays unknown to the end, even if
            another one leads back, because its URL was chosen elsewhere.
        first: returns the request that the caller made, while it exists; the others of the call are redirects.
    """

    service: Origin
    has_left: bool = False
    first: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Scope:
    """What belongs to one service.

    Attributes:
        origin: the origin of the base URL. The clients change a URL of another instance to it, so that a library keeps
            login and cookies, which are those of the service and not of one instance.
        origins: the origins of all instances.
        base: the path that callers' URLs stay below, without "/" at its end; "" if they may have any path.
    """

    origin: Origin
    origins: frozenset[Origin]
    base: str = ""

    def reason_to_refuse(
        self, found: Origin | None, path: str, chain: Chain | None = None, *, has_body: bool = False
    ) -> str | None:
        """Why a request to `found`, with a path as it is sent, must not be sent; None if it may.

        A redirect (one with a `chain`) may lead anywhere, but takes no body to another service.
        """
        if found in self.origins:
            return None if chain is not None or is_below(self.base, path) else self._outside_message()
        if chain is None:
            return self.foreign_message(found)
        if has_body:
            return self.foreign_message(found, "the service's redirect, which asks for the request's body,")
        return None

    def private_headers(self, names: Iterable[str], found: Origin | None, chain: Chain, *, but: str) -> list[str]:
        """The headers that a redirect to `found` must not take along.

        To another service, and back from it, these are all that could identify the caller. `but` is a header, in lower
        case, that the HTTP library itself sets for the new origin.
        """
        chain.has_left = chain.has_left or found not in self.origins
        return [name for name in names if name.lower() not in {*_ANONYMOUS_HEADERS, but}] if chain.has_left else []

    def foreign_message(self, found: Origin | None, what: str = "the URL") -> str:
        """The message for a URL that leads to `found`, which is no origin of the service; None is no valid origin."""
        target = "no valid host" if found is None else str(found)
        return (
            f"{what} leads to {target}, but this client belongs to {self.origin}. Give a path; for another host, use a "
            "client of your own or another service()"
        )

    def _outside_message(self) -> str:
        return (
            f"the URL leaves the base path {self.base} of {self.origin}, at least for some servers. Give a path below "
            "it; the service's option jail: origin allows every path of the host"
        )


def is_below(base: str, path: str) -> bool:
    """Whether a path, as it is sent, stays below `base`, however the server reads dots, separators and parameters.

    >>> is_below("/v1", "/v1/x/../y"), is_below("/v1", "/v1/x/../../y"), is_below("/v1", "/v1/x/..%2f..;a/y")
    (True, False, False)
    """
    if not base:
        return True
    below = path.removeprefix(base)
    if not path.startswith(base) or below[:1] not in {"", "/"}:
        return False
    if ".." not in below and "%" not in below:  # as usual
        return True
    below = _encoded_once(below)
    return not any(_climbs_out(separator.split(below)) for separator in _SEPARATORS)


def _encoded_once(path: str) -> str:
    """A path in which "%" and the digits after it are not encoded themselves, however often they were.

    >>> _encoded_once("%252e"), _encoded_once("%25%32%65"), _encoded_once("%%32e")
    ('%2e', '%2e', '%2e')
    """
    while (decoded := _OF_ENCODING.sub(lambda found: chr(int(found[1], 16)), path)) != path:
        path = decoded
    return path


def _climbs_out(segments: Sequence[str]) -> bool:
    depth = 0
    for segment in segments:
        name = _DOT.sub(".", _PARAMETERS.sub("", segment))
        if name == "..":
            depth -= 1
            if depth < 0:
                return True
        elif name not in {"", "."}:  # many servers merge slashes
            depth += 1
    return False
