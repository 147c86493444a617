"""Which values of a run are secret, and how they are masked in text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from architect_cli.planning.values import is_file
from architect_core.contract import MASK
from architect_core.plugins.known import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from architect_cli.planning.plan import Plan


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = _words(
    "auth authorization bearer cred credential credentials creds key keys pass passcode passphrase passwd password "
    "passwords private pw pwd secret secrets token tokens"
)
_SECRET_ENDS = ("accesskey", "apikey", "passphrase", "passwd", "password", "privatekey", "secret", "secretkey", "token")
# a name that ends with one of these is that of a property of a secret
_PROPERTIES = _words(
    "algorithm audience count days dir enabled endpoint expiration expires expiry field file format header host hours "
    "issuer length limit max method min minutes mode name path policy port prefix provider realm required rotation "
    "scheme seconds size suffix timeout ttl type uri url version"
)
# what precedes "key" in the name of one that is not secret
_OPEN_KEYS = _words(
    "bucket cache foreign group hash idempotency index message object partition primary public range routing row shard "
    "sort unique"
)
_PASSWORDS = (
    re.compile(r"://[^/?#\s:@]*:([^/?#\s]+|[^\s@\"']+)@"),  # of a URL; the second form has a "/" that is not encoded
    re.compile(r"://[^/?#\s:@]*:([^\s\"']+)@"),  # and one that has a "/" and an "@"
    # of a connection string, whose values end with ";", and of pairs that "&" or a space separates
    re.compile(r"(?:password|pwd)\s*=\s*[\"']?([^;\"']+)", re.IGNORECASE),
    re.compile(r"(?:password|pwd)\s*=\s*([^;&\s]+)", re.IGNORECASE),
)
_NEVER_MASKED = frozenset({"true", "false", "none", "null", "enabled", "disabled"})
_SHORTEST_MASKED = 4  # shorter secrets would mask ordinary text
_SHORTEST_IN_WORDS = 8  # shorter ones are masked as whole words
# words that passwords for development are made of, and that output is full of
_ORDINARY = _words(
    "admin application architect database default development example guest localhost master password postgres "
    "production python root secret server service staging superuser system test user username"
)
_AFTER_NAME = r"(?i:(?:pass(?:word|wd|phrase)?|pw|pwd|secret|token|key|auth)[\\\"']*\s*[:=]\s*[\\\"']*)"


def secrets_of(plan: Plan) -> Iterator[str]:
    """The passwords and contents of files that a run is given, and the values of what has the name of a secret."""
    for node in plan.nodes:
        parameters = plan.parameters(node)
        yield from secret_values(parameters)
        from_files = {name for name, each in node.manifest.parameters.items() if is_file(each)}
        yield from (parameters[name] for name in {*node.signing_secrets, *from_files} if name in parameters)
        for subscriptions in node.manifest.subscriptions.values():
            for subscription in subscriptions.values():
                yield from secret_values(subscription.headers)
        for datastore in plan.datastores(node):
            yield from secret_values(datastore.entry(datastore.wanted()))
            values = datastore.parameters
            yield from (values[name] or "" for name, each in datastore.declared.parameters.items() if is_file(each))
    yield from plan.overrides.secrets
    for override in plan.overrides.services.values():
        yield from _login_in(override.host or "")


def ordinary_texts(plan: Plan) -> Iterator[str]:
    """The names and paths that the output of a run is full of, whatever a password is."""
    yield from BY_NAME
    for node in plan.nodes:
        yield from (node.name, str(node.folder), *node.dependencies, *node.versions)
        for datastore in plan.datastores(node):
            yield from (datastore.key, datastore.engine, datastore.declared.image or "")


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
    return {form for form in forms if len(form) >= _SHORTEST_MASKED and form.lower() not in _NEVER_MASKED}


def _login_in(host: str) -> Iterator[str]:
    """The password of a host, or its user if there is none, who may be a token.

    Not by `parse_address`, which refuses a password with a "/" that is not encoded.
    """
    rest = host.partition("://")[2] or host
    authority = rest.partition("/")[0]
    username, colon, password = (authority if "@" in authority else rest).rpartition("@")[0].partition(":")
    secret = password if colon else username
    yield from (secret, unquote(secret))


def is_secret_name(name: str) -> bool:
    """Whether a parameter or header of this name holds a secret.

    >>> [is_secret_name(name) for name in ("API_KEY", "dbPassword", "KEYSPACE", "PUBLIC_KEY", "TOKEN_TTL")]
    [True, True, False, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    found = {
        word
        for before, word in zip(["", *words], words, strict=False)
        if (word in _SECRET_WORDS or word.endswith(_SECRET_ENDS)) and not (word == "key" and before in _OPEN_KEYS)
    }
    if words and words[-1] in {"uri", "url"} and found & {"secret", "private"}:  # such as that of a web hook
        return True
    return bool(found) and words[-1] not in _PROPERTIES


def secret_values(values: Mapping[str, object]) -> Iterator[str]:
    """Those of `values` whose names are those of secrets, and the passwords in the others."""
    for name, value in values.items():
        if is_secret_name(name):
            yield str(value)
        yield from passwords_in(str(value))


class Mask:
    """Masks secrets in text.

    A secret of eight characters or more is masked wherever it stands, a shorter one where it is a whole word. One that
    is an ordinary word, such as the name of a service, is masked only where it is a password for sure: in a URL, or
    after a name such as "password".
    """

    def __init__(self) -> None:
        self._ordinary = set(_ORDINARY)
        self._secrets: set[str] = set()
        self._patterns: list[tuple[str, re.Pattern[str] | None]] = []

    def show(self, texts: Iterable[str]) -> None:
        """Take the words in these texts, such as names and paths, as ordinary ones."""
        self._ordinary.update(word.lower() for text in texts for word in (text, *re.split(r"[\W_]+", text)) if word)
        self._prepare()

    def hide(self, secrets: Iterable[object]) -> None:
        """Mask these values."""
        self._secrets.update(str(secret) for secret in secrets if secret is not None)
        self._prepare()

    def masked(self, text: str) -> str:
        """`text` without any secret."""
        for form, pattern in self._patterns:
            if form in text:
                text = text.replace(form, MASK) if pattern is None else pattern.sub(_with_mask, text)
        return text

    def held(self, text: str) -> int:
        """How many characters at the end of `text` may be the start of a secret that goes on after it."""
        longest = 0
        for form, pattern in self._patterns:
            whole = len(form) if pattern is not None else len(form) - 1  # a whole word may go on, too
            for length in range(min(whole, len(text)), longest, -1):
                if text.endswith(form[:length]):
                    longest = length
                    break
        return longest

    def _prepare(self) -> None:
        found: dict[str, re.Pattern[str] | None] = {}
        for secret in self._secrets:
            is_ordinary = secret.lower() in self._ordinary
            for form in spellings(secret):
                found[form] = _pattern(form, is_ordinary=is_ordinary)
        # a longer one may contain a shorter
        self._patterns = sorted(found.items(), key=lambda item: len(item[0]), reverse=True)


def _pattern(form: str, *, is_ordinary: bool) -> re.Pattern[str] | None:
    """What finds a secret, with what precedes it in a group; None if its form alone does."""
    text = re.escape(form)
    if is_ordinary:
        return re.compile(rf"((?::|://)(?={text}@)|{_AFTER_NAME}(?={text}(?!\w))){text}")
    if len(form) >= _SHORTEST_IN_WORDS:
        return None
    start = r"((?<!\w)|(?<=\\[nrt]))" if re.match(r"\w", form) else "()"
    end = r"(?!\w)" if re.search(r"\w\Z", form) else ""
    return re.compile(start + text + end)


def _with_mask(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}"
