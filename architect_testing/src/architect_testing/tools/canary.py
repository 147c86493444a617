"""Finds a secret in anything that could be printed, logged or reported."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

SECRET = "c4nary/s3cret@9f2c:x"  # noqa: S105 - made up; percent-encoding and base64 change it
"""The secret that the suites configure."""


def assert_hidden(secret: str, **shown: object) -> None:
    """Fail if `secret` can be read in any of the values `shown`: plainly, percent-encoded or in base64.

        assert_hidden(password, client=client, error=caught.value, logs=caplog.records)

    Searches the repr, str and format of an object; also the attributes, arguments, notes, traceback, `errors()`,
    `json()`, cause and context of an exception; and every item of a list, a tuple and a log record.

    Raises:
        AssertionError: says where the secret shows.
    """
    for name, value in shown.items():
        for where, text in _texts(name, value, set()):
            if shows(secret, text):
                raise AssertionError(
                    f"the secret {secret!r} shows in {where}. Keep it out of reprs, messages, logs and attributes of "
                    f"errors. Found in: {_around(secret, text)}"
                )


def shows(secret: str, text: str) -> bool:
    """Whether `secret` can be read in `text`."""
    decoded = unquote(text)
    readings = (text, decoded, unquote(decoded), text.replace("\\/", "/"))
    return any(form in reading for reading in readings for form in _forms(secret))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    raw = secret.encode()
    for before in range(3):  # base64 depends on how many bytes precede the secret, such as those of "user:"
        encoded = b64encode(bytes(before) + raw).decode()
        # without the characters at both ends that neighbouring bytes have a part in
        own = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield own
        yield own.translate(str.maketrans("+/", "-_"))


def _texts(where: str, value: object, seen: set[int]) -> Iterator[tuple[str, str]]:
    """All texts that `value` shows, as pairs of where and what."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(f"{where}[{number}]", item, seen)
    elif isinstance(value, BaseException):
        yield from _texts_of_error(where, value, seen)
    elif isinstance(value, logging.LogRecord):
        where = f"{where} ({value.name})"
        yield where, value.getMessage()
        yield where, repr(vars(value))
        yield from _texts(where, value.exc_info or (), seen)
    else:
        yield f"repr({where})", repr(value)
        yield f"str({where})", str(value)
        yield f"format({where})", f"{value}"


def _texts_of_error(where: str, error: BaseException, seen: set[int]) -> Iterator[tuple[str, str]]:
    yield f"str({where})", str(error)
    yield f"repr({where})", repr(error)
    yield f"the traceback of {where}", "".join(traceback.format_exception(error))
    values = dict(vars(error))
    for name in dir(error):
        if not name.startswith("_"):
            with suppress(Exception):  # a property that raises shows nothing
                value = getattr(error, name)
                values[name] = value() if name in {"errors", "json"} and callable(value) else value
    chain = {"__cause__": error.__cause__, "__context__": error.__context__, "args": error.args}
    for name, value in (values | chain).items():
        if isinstance(value, BaseException | list | tuple):
            yield from _texts(f"{where}.{name}", value, seen)
        elif not callable(value):
            yield f"{where}.{name}", repr(value)


def _around(secret: str, text: str) -> str:
    start = max(text.find(secret) - 200, 0)
    return repr(text[start : start + 400 + len(secret)])
