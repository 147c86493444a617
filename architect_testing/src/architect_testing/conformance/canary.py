"""Hunts a secret in all that could be printed, logged or reported."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "c4nary/s3cret@9f2c:x"  # noqa: S105 - a made-up one, which is another text once it is percent-encoded
"""What the suites put where a protocol takes secrets."""


def assert_hidden(secret: str, **shown: object) -> None:
    """Fail if `secret` can be read in anything of `shown`, plainly, percent-encoded or in base64.

        assert_hidden(password, client=client, error=caught.value, logs=caplog.records)

    Of an object, what repr, str and format give is read. Of an exception also its attributes, arguments and notes,
    what `errors()` and `json()` give, its traceback, and all of it of every exception that it came from. Of a list, a
    tuple and a log record, all that it holds.

    Raises:
        AssertionError: with where it shows.
    """
    for name, value in shown.items():
        for place, text in _texts(name, value, set()):
            if shows(secret, text):
                raise AssertionError(
                    f"the secret {secret!r} shows in {place}. Keep it out of reprs, messages, logs and attributes of "
                    f"errors. It stands in: {_around(secret, text)}"
                )


def shows(secret: str, text: str) -> bool:
    """Whether `secret` can be read in `text`."""
    plainer = unquote(text)
    readings = (text, plainer, unquote(plainer), text.replace("\\/", "/"))
    return any(shape in reading for reading in readings for shape in _shapes(secret))


def _shapes(secret: str) -> Iterator[str]:
    yield secret
    raw = secret.encode()
    for before in range(3):  # base64 differs by how many bytes stand before it, such as those of "user:"
        encoded = b64encode(bytes(before) + raw).decode()
        # without the characters that what stands before and behind has a part in
        own = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield own
        yield own.translate(str.maketrans("+/", "-_"))


def _texts(place: str, value: object, seen: set[int]) -> Iterator[tuple[str, str]]:
    """What `value` shows: `(where, text)` pairs."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(f"{place}[{number}]", item, seen)
    elif isinstance(value, BaseException):
        yield from _texts_of_error(place, value, seen)
    elif isinstance(value, logging.LogRecord):
        yield f"{place} ({value.name})", value.getMessage()
        yield f"{place} ({value.name})", repr(vars(value))
        yield from _texts(f"{place} ({value.name})", value.exc_info or (), seen)
    else:
        yield f"repr({place})", repr(value)
        yield f"str({place})", str(value)
        yield f"format({place})", f"{value}"


def _texts_of_error(place: str, error: BaseException, seen: set[int]) -> Iterator[tuple[str, str]]:
    yield f"str({place})", str(error)
    yield f"repr({place})", repr(error)
    yield f"the traceback of {place}", "".join(traceback.format_exception(error))
    values = dict(vars(error))
    for name in dir(error):
        if not name.startswith("_"):
            with suppress(Exception):  # a property that has nothing to tell
                value = getattr(error, name)
                values[name] = value() if name in {"errors", "json"} and callable(value) else value
    chain = {"__cause__": error.__cause__, "__context__": error.__context__, "args": error.args}
    for name, value in (values | chain).items():
        if isinstance(value, BaseException | list | tuple):
            yield from _texts(f"{place}.{name}", value, seen)
        elif not callable(value):
            yield f"{place}.{name}", repr(value)


def _around(secret: str, text: str) -> str:
    found = text.find(secret)
    start = max(found - 200, 0)
    return repr(text[start : start + 400 + len(secret)])
