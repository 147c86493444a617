"""The types of the fields that several schemas share; the error of a wrong value does not repeat the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from architect_core._base import names
from architect_core._base.address import parse_port


def _port(value: object) -> object:
    if isinstance(value, str):
        return parse_port(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return value


def _text(value: object) -> object:
    # architect.sdk 0.2.1 passed these on as they came; people write numbers as passwords
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def checked(is_right: Callable[[str], object], reason: str) -> AfterValidator:
    """Validates a text: unless `is_right`, it is wrong for that `reason`."""

    def check(value: str) -> str:
        if not is_right(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


_NAME = "a name has lower-case letters, digits, '-' and '_', with at most one '/' (acme/checkout)"
_PROTOCOL = "a protocol's name has lower-case letters, digits, '-' and '_', or it is null"
_EVENT = "an event's name has letters, digits, '.', '-' and '_' (order_placed)"
_PARAMETER = "a parameter's name has letters, digits and '_', and starts with no digit (POSTGRES_USER)"
_VISIBLE = re.compile(r"[^\x00-\x20\x7f]*")

Port = Annotated[int, BeforeValidator(_port)]
Text = Annotated[str, BeforeValidator(_text)]
Host = Annotated[
    str,
    checked(bool, "the host is empty"),
    checked(lambda host: host.isprintable() and " " not in host, "a host has no spaces and no control characters"),
]
Uri = Annotated[
    str,
    checked(_VISIBLE.fullmatch, "a URI has no spaces and no control characters"),
    checked(lambda uri: not uri or uri.startswith("/"), "must start with '/'"),
]
ServiceName = Annotated[str, checked(names.SERVICE_NAME.fullmatch, _NAME)]
Protocol = Annotated[str, checked(names.PROTOCOL.fullmatch, _PROTOCOL)]
EventName = Annotated[str, checked(names.EVENT_NAME.fullmatch, _EVENT)]
# architect.sdk 0.2.1 accepts any name of an event; its documentation uses "<event_name>"
AnyEventName = Annotated[
    str, checked(lambda name: name and name.isprintable(), "an event's name is empty or has control characters")
]
ParameterName = Annotated[str, checked(names.PARAMETER_NAME.fullmatch, _PARAMETER)]
Version = Annotated[str, checked(names.VERSION.fullmatch, "a version has one to three numbers (0.1.0)")]
HeaderName = Annotated[str, checked(names.HEADER_NAME.fullmatch, "this is no name of an HTTP header")]
HeaderValue = Annotated[Text, checked(re.compile(r"[^\r\n\0]*").fullmatch, "a header has no line breaks")]
