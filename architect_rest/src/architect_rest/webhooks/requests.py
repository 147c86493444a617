"""The request that delivers a message, as bytes: CloudEvents in binary mode, signed as Standard Webhooks."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import quote

from architect_core.contract import Message
from architect_rest.webhooks.signing import sign

if TYPE_CHECKING:
    from datetime import datetime

    from architect_core.contract import Subscription
    from architect_rest.http.proxies import Proxy

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_IN_URL = "!$%&'()*+,/:;=?@[]~"  # what is not percent-encoded in a path and a query; "%" because they may be encoded
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_PLAIN = re.compile(r"[!#$&-~]*")  # what CloudEvents do not percent-encode in a header
_PLAIN_MARKS = "!#$&'()*+,/:;<=>?@[\\]^`{|}~"
_FRAMING = {"content-length", "transfer-encoding"}
_TRACE = {"traceparent", "tracestate"}
_OF_EVENT = {f"ce-{name}" for name in ("specversion", "id", "source", "type", "time", "partitionkey")}
_AGENT = f"architect-rest/{version('architect-rest')}"


@dataclass(frozen=True)
class Target:
    """What all requests to a subscriber have in common.

    Attributes:
        host: in ASCII, without brackets.
        authority: host and port, as in a URL.
        path: with its query.
        lines: the header lines.
        own: the names of the headers that the subscriber requires, which take the place of ours.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str = field(repr=False)
    lines: str = field(repr=False)
    own: frozenset[str]


@lru_cache(4096)
def target_of(to: Subscription) -> Target:
    """Returns the target of a subscriber; raises ValueError if its URL or its headers are malformed.

    Its own headers take the place of ours, except for what describes the body and the event, and signatures.
    """
    scheme, _, bracketed = to.host.lower().partition("://")
    if scheme not in _PORTS or not 0 < to.port < 1 << 16:
        raise ValueError("the subscriber has no URL that begins with http:// or https://")
    host = bracketed.removeprefix("[").removesuffix("]")
    host = host if host.isascii() else host.encode("idna").decode()
    if not _HOST.fullmatch(host):
        raise ValueError("the host of the subscriber's URL is malformed")
    authority = f"[{host}]" if ":" in host else host
    named = authority if to.port == _PORTS[scheme] else f"{authority}:{to.port}"
    path = quote(to.uri.partition("#")[0], safe=_IN_URL)
    ours = {"host": ("Host", named), "user-agent": ("User-Agent", _AGENT)}
    if to.auth is not None:
        ours["authorization"] = "Authorization", f"Basic {b64encode(':'.join(to.auth).encode()).decode()}"
    own = {name.lower(): (name, value) for name, value in to.headers.items()}
    kept = {name: line for name, line in own.items() if not _is_ours(name, signed=bool(to.secrets))}
    lines = "".join(_line(*line) for line in (ours | kept).values())
    return Target(
        scheme, host, to.port, f"{authority}:{to.port}", path if path[:1] == "/" else f"/{path}", lines, frozenset(kept)
    )


def request_to(target: Target, message: Message, secrets: Sequence[str], proxy: Proxy | None = None) -> bytes:
    """Returns the request, as it is sent to the subscriber or to a proxy; raises ValueError if a part is malformed."""
    path = target.path if proxy is None else f"{target.scheme}://{target.authority}{target.path}"
    lines = [_event_lines(message.id, message.event, message.source, message.time, message.key)]
    if "content-type" not in target.own:
        lines.append(_line("Content-Type", message.content_type))
    for name, value in message.headers.items():
        if name.startswith("ce-") and name not in _OF_EVENT:
            lines.append(_line(name, _encoded(value)))
        elif name in _TRACE and name not in target.own:
            lines.append(_line(name, value))
    if secrets:
        id_, now = _encoded(message.id), int(time.time())
        signatures = " ".join(sign(id_, now, message.body, secret) for secret in secrets)
        lines.append(f"webhook-id: {id_}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signatures}\r\n")
    if proxy is not None and proxy.login:
        lines.append(_line("Proxy-Authorization", proxy.login))
    head = f"POST {path} HTTP/1.1\r\n{target.lines}{''.join(lines)}Content-Length: {len(message.body)}\r\n\r\n"
    return head.encode() + message.body


@lru_cache(1024)  # an event has several subscribers
def _event_lines(id_: str, event: str, source: str, published: datetime, key: str | None) -> str:
    headers = Message(id_, event, source, published, b"", key=key).to_headers()
    return "".join(f"{name}: {_encoded(value)}\r\n" for name, value in headers.items() if name.startswith("ce-"))


def _is_ours(name: str, *, signed: bool) -> bool:
    return name in _FRAMING or name.startswith("ce-") or (signed and name.startswith("webhook-"))


def _encoded(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else quote(value, safe=_PLAIN_MARKS)


def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name) or _FORBIDDEN.search(value):
        raise ValueError("the name or the value of a header is malformed")  # without the value, which may be secret
    return f"{name}: {value.strip()}\r\n"
