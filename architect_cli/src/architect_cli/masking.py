"""Which values of a run are secret, and the forms in which they may be printed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_cli.plan import Plan

_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|private|auth(?!or)", re.IGNORECASE)
_PASSWORDS = (
    re.compile(r"://[^/?#\s:@]*:([^/?#\s]+|[^\s@\"']+)@"),  # of a URL; the second form has a "/" that is not encoded
    # of a connection string, whose values end with ";", and of pairs that "&" or a space separates
    re.compile(r"(?:password|pwd)\s*=\s*[\"']?([^;\"']+)", re.IGNORECASE),
    re.compile(r"(?:password|pwd)\s*=\s*([^;&\s]+)", re.IGNORECASE),
)
_ORDINARY = frozenset({"true", "false", "none", "null"})
_SHORTEST_MASKED = 4  # shorter secrets would mask ordinary text


def secrets_of(plan: Plan) -> Iterator[str]:
    """The passwords that a run is given, and the values of its parameters and headers with names of secrets."""
    for node in plan.nodes:
        parameters = plan.parameters(node)
        yield from secret_values(parameters)
        yield from (parameters[name] for name in node.signing_secrets if name in parameters)
        for subscriptions in node.manifest.subscriptions.values():
            for subscription in subscriptions.values():
                yield from secret_values(subscription.headers)
        for datastore in plan.datastores(node):
            yield from secret_values(datastore.entry(datastore.wanted()))
    yield from plan.overrides.secrets
    for override in plan.overrides.services.values():
        yield from _login_in(override.host or "")


def passwords_in(text: str) -> Iterator[str]:
    """The passwords in the URLs and connection strings of `text`, as they are written and decoded."""
    for pattern in _PASSWORDS:
        for password in pattern.findall(text):
            yield from (password, unquote(password))


def spellings(secret: str) -> set[str]:
    """The forms in which a secret may be printed: plain, and in JSON, Python and URLs, as a whole and by line."""
    lines = [line for line in secret.splitlines() if line.strip()]
    forms = {
        form
        for text in {secret, *lines}
        for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text), quote(text, safe=""))
    }
    return {form for form in forms if len(form) >= _SHORTEST_MASKED and form.lower() not in _ORDINARY}


def _login_in(host: str) -> Iterator[str]:
    """The password of a host, or its user if there is none, who may be a token.

    Not by `parse_address`, which refuses a password with a "/" that is not encoded.
    """
    rest = host.partition("://")[2] or host
    authority = rest.partition("/")[0]
    username, colon, password = (authority if "@" in authority else rest).rpartition("@")[0].partition(":")
    secret = password if colon else username
    yield from (secret, unquote(secret))


def secret_values(values: Mapping[str, object]) -> Iterator[str]:
    """Those of `values` whose names are those of secrets, and the passwords in the others."""
    for name, value in values.items():
        if _SECRET_NAME.search(name):
            yield str(value)
        yield from passwords_in(str(value))
