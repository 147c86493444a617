"""The types of the fields that several schemas share; the error of a wrong value does not repeat the value."""

from __future__ import annotations

import re
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


def _host(value: str) -> str:
    if not value:
        raise ValueError("the host is empty")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a host has no spaces and no control characters")
    return value


def _event(name: str) -> str:
    # architect.sdk 0.2.1 accepts any name; its documentation uses "<event_name>"
    if not name or not name.isprintable():
        raise ValueError("an event's name is empty or has control characters")
    return name


def _uri(value: str) -> str:
    if any(ord(character) < 33 or ord(character) == 127 for character in value):
        raise ValueError("a URI has no spaces and no control characters")
    if value and not value.startswith("/"):
        raise ValueError("must start with '/'")
    return value


def _matching(pattern: re.Pattern[str], reason: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(reason)
        return value

    return AfterValidator(check)


_NAME = "a name has lower-case letters, digits, '-' and '_', with at most one '/' (acme/checkout)"
_PROTOCOL = "a protocol's name has lower-case letters, digits, '-' and '_', or it is null"
_EVENT = "an event's name has letters, digits, '.', '-' and '_' (order_placed)"
_PARAMETER = "a parameter's name has letters, digits and '_', and starts with no digit (POSTGRES_USER)"
_NO_LINE_BREAKS = _matching(re.compile(r"[^\r\n\0]*"), "a header has no line breaks")

Port = Annotated[int, BeforeValidator(_port)]
Host = Annotated[str, AfterValidator(_host)]
Text = Annotated[str, BeforeValidator(_text)]
Uri = Annotated[str, AfterValidator(_uri)]
AnyEventName = Annotated[str, AfterValidator(_event)]
ServiceName = Annotated[str, _matching(names.SERVICE_NAME, _NAME)]
Protocol = Annotated[str, _matching(names.PROTOCOL, _PROTOCOL)]
EventName = Annotated[str, _matching(names.EVENT_NAME, _EVENT)]
ParameterName = Annotated[str, _matching(names.PARAMETER_NAME, _PARAMETER)]
Version = Annotated[str, _matching(names.VERSION, "a version has one to three numbers (0.1.0)")]
HeaderName = Annotated[str, _matching(names.HEADER_NAME, "this is no name of an HTTP header")]
HeaderValue = Annotated[str, BeforeValidator(_text), _NO_LINE_BREAKS]
