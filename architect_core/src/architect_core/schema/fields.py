"""The types of the fields that several schemas share; the error of a wrong value does not repeat the value."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator

from architect_core._base import names
from architect_core._base.address import parse_port

Value = TypeVar("Value")


def _text(value: object) -> str:
    # architect.sdk 0.2.1 passed these on as they came; people write numbers as passwords
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be text or a number")  # noqa: TRY004 - pydantic makes its own of a ValueError
    return value if isinstance(value, str) else str(value)


def _port(value: object) -> int:
    is_number = isinstance(value, int) and 0 < value < 1 << 16  # Python refuses to write one of thousands of digits
    return parse_port(str(value) if is_number or isinstance(value, str) else "")


def _check(is_right: Callable[[Value], object], reason: str) -> AfterValidator:
    def check(value: Value) -> Value:
        if not is_right(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


_NAME = "a name has letters, digits, '-' and '_', with at most one '/' (acme/checkout)"
_PROTOCOL = "a protocol's name has lower-case letters, digits, '-' and '_', or it is null"
_EVENT = "an event's name has letters, digits, '.', '-' and '_' (order_placed)"
_PARAMETER = "a parameter's name has letters, digits, '_', '-' and '.', and starts with a letter or '_' (POSTGRES_USER)"
_VERSION = "a version is a number (0.1.0), a tag (latest) or a range (^1.2)"
_DEPENDENCY = f"{_VERSION}; a folder has 'file:' before its path (file:../billing)"
_PATH = "must be a path inside of the service's folder"


def _is_signing_secret(text: str) -> bool:
    try:
        secret = b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(secret) <= 64


def one_or_more(value: object) -> object:
    """A text becomes a list of one."""
    return [value] if isinstance(value, str) else value


Port = Annotated[int, BeforeValidator(_port)]
Text = Annotated[str, BeforeValidator(_text)]
Host = Annotated[
    str,
    _check(bool, "the host is empty"),
    _check(lambda host: host.isprintable() and " " not in host, "a host has no spaces and no control characters"),
]
Uri = Annotated[
    str,
    _check(re.compile(r"[^\x00-\x20\x7f]*").fullmatch, "a URI has no spaces and no control characters"),
    _check(lambda uri: not uri or uri.startswith("/"), "must start with '/'"),
]
AbsolutePath = Annotated[Path, _check(Path.is_absolute, "must be an absolute path")]
RelativePath = Annotated[str, _check(lambda path: path and not Path(path).is_absolute() and "\0" not in path, _PATH)]
ServiceName = Annotated[str, _check(names.SERVICE_NAME.fullmatch, _NAME)]
Protocol = Annotated[str, _check(names.PROTOCOL.fullmatch, _PROTOCOL)]
EventName = Annotated[str, _check(names.EVENT_NAME.fullmatch, _EVENT)]
# architect.sdk 0.2.1 accepts any name of an event; its documentation uses "<event_name>"
AnyEventName = Annotated[
    str, _check(lambda name: name and name.isprintable(), "an event's name is empty or has control characters")
]
SigningSecret = Annotated[str, _check(_is_signing_secret, "a secret is 'whsec_' and 24 to 64 bytes in base64")]
Module = Annotated[str, _check(lambda name: all(map(str.isidentifier, name.split("."))), "must name a Python module")]
ParameterName = Annotated[str, _check(names.PARAMETER_NAME.fullmatch, _PARAMETER)]
Version = Annotated[Text, _check(names.VERSION.fullmatch, _VERSION)]
Dependency = Annotated[
    Text,
    _check(lambda text: text.startswith("file:") or names.VERSION.fullmatch(text), _DEPENDENCY),
    _check(lambda text: text.removeprefix("file:").strip(), "the path after 'file:' is empty"),
]
HeaderName = Annotated[str, _check(names.HEADER_NAME.fullmatch, "this is no name of an HTTP header")]
HeaderValue = Annotated[Text, _check(re.compile(r"[^\r\n\0]*").fullmatch, "a header has no line breaks")]
