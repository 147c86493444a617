"""Which values of a run are secret, so that nothing shows them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from architect_cli.datastores import wanted_values
from architect_cli.environment import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from architect_cli.environment import Plan

_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|private|auth(?!or)", re.IGNORECASE)
_PASSWORDS = (
    re.compile(r"://[^/?#\s:@]*:([^/?#\s]+|[^\s@\"']+)@"),  # of a URL; the second form has a "/" that is not encoded
    # of a connection string, whose values end with ";", and of what has "&" or a space between its pairs
    re.compile(r"(?:password|pwd)\s*=\s*[\"']?([^;\"']+)", re.IGNORECASE),
    re.compile(r"(?:password|pwd)\s*=\s*([^;&\s]+)", re.IGNORECASE),
)
_ORDINARY = frozenset({"true", "false", "none", "null"})
_LEAST_MASKED = 4  # shorter secrets would mask ordinary text


def secrets_of(plan: Plan) -> Iterator[str]:
    """What a run is given that nobody should see.

    These are passwords, the values of parameters and headers whose names say that they are secret, and the passwords in
    hosts, URLs and connection strings.
    """
    for node in plan.nodes:
        override = plan.overrides.of(node.name)
        yield from _told_by_name(parameters(node.manifest.parameters, override.parameters))
        yield from _login_in(override.host or "")
        for subscriptions in node.manifest.subscriptions.values():
            for subscription in subscriptions.values():
                yield from _told_by_name(subscription.headers)
        for key, declared in node.manifest.datastores.items():
            stated = override.of(key)
            defaults = {name: each.default for name, each in declared.parameters.items() if each.default is not None}
            yield from _told_by_name(defaults | stated.parameters | wanted_values(declared, stated))
    for name in {name for node in plan.nodes for name in node.versions}:
        yield from _login_in(plan.overrides.of(name).host or "")


def passwords_in(text: str) -> Iterator[str]:
    """The passwords of the URLs and connection strings in `text`, as they are written and as they are meant."""
    for pattern in _PASSWORDS:
        for password in pattern.findall(text):
            yield password
            yield unquote(password)


def _login_in(host: str) -> Iterator[str]:
    """The password of a host, with or without a scheme, or its user where it has none, who may be a token."""
    rest = host.partition("://")[2] or host
    authority = rest.partition("/")[0]
    login = (authority if "@" in authority else rest).rpartition("@")[0]
    username, colon, password = login.partition(":")
    secret = password if colon else username
    yield secret
    yield unquote(secret)


def spellings(secret: str) -> set[str]:
    """The forms in which a secret may be printed: as it is, and in JSON, Python and URLs, whole and by line."""
    lines = [line for line in secret.splitlines() if line.strip()]
    forms = {
        form
        for text in {secret, *lines}
        for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text), quote(text, safe=""))
    }
    return {form for form in forms if len(form) >= _LEAST_MASKED and form.lower() not in _ORDINARY}


def _told_by_name(values: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if _SECRET_NAME.search(name):
            yield value
        yield from passwords_in(value)
