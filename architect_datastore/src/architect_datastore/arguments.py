"""Keyword arguments of drivers, from credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from architect_core.contract import Credentials, showable
from architect_core.exceptions import DriverError
from architect_datastore.kit.url import build_url
from architect_datastore.options import VERIFYING

if TYPE_CHECKING:
    import ssl

_FIELDS = ("host", "port", "username", "password", "name")
# SQLAlchemy 2.1 decodes what follows the user information, 2.0 does not: only what means the same to both goes there
_PLAIN = {
    "host": re.compile(r"[\w.-]+|[0-9a-f.:]+", re.ASCII | re.IGNORECASE),
    "name": re.compile(r"[\w.~-]+", re.ASCII),
}
DJANGO = frozenset(
    {"atomic_requests", "autocommit", "conn_health_checks", "conn_max_age", "disable_server_side_cursors"}
)
"""Options of a URL that are settings of Django, as django-environ has them."""

_CONSTANTS = {"true": True, "false": False, "none": None}
_NEEDS = {"port": "host", "password": "username"}


def given(**arguments: Any) -> dict[str, Any]:
    """Returns the arguments that are not None.

    >>> given(user="app", password=None)
    {'user': 'app'}
    """
    return {key: value for key, value in arguments.items() if value is not None}


def truth(value: Any) -> Any:
    """Returns what "true" and "false" of a URL mean to a driver that takes booleans; any other value as it is.

    >>> truth("True"), truth("3"), truth(3)
    (True, '3', 3)
    """
    return {"true": True, "false": False}.get(str(value).lower(), value)


def translated(db: Credentials, driver: str, names: Mapping[str, str], *handled: str) -> dict[str, Any]:
    """Returns the options of `db` by the driver's names.

    Args:
        db: the credentials.
        driver: the driver's name, for the message.
        names: an option -> the driver's argument.
        handled: options that the caller handles.

    Raises:
        DriverError: there is another option.
    """
    for option in db.options:
        if option not in names and option not in handled:
            raise refusal(driver, option)
    return {names[option]: value for option, value in db.options.items() if option in names}


def refusal(driver: str, option: str, remedy: str = "remove it, or use another driver") -> DriverError:
    """Returns the error for an option that a driver does not support."""
    return DriverError(f"{driver} does not support the option {showable(option)!r} of these credentials; {remedy}")


def mode_of(db: Credentials, driver: str, *known: str) -> str | None:
    """Returns the `sslmode` of `db`, or None; raises DriverError if it is none of `known`."""
    mode: str | None = db.options.get("sslmode")
    if mode is not None and mode not in known:
        raise DriverError(f"{driver} does not support sslmode {mode}, only {', '.join(known)}; use another driver")
    return mode


def engine_arguments(dialect: str, arguments: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Returns a URL, and as `connect_args` the driver's arguments that a URL cannot express.

    >>> engine_arguments("mysql+pymysql", {"host": "h", "unix_socket": "/s", "passwd": b"p"}, ("host", "port"))
    {'url': 'mysql+pymysql://h', 'connect_args': {'unix_socket': '/s', 'passwd': b'p'}}

    Args:
        dialect: the URL's scheme.
        arguments: the driver's.
        names: the driver's names of host, port, username, password and name.
    """
    rest = dict(arguments)
    fields: dict[str, Any] = {}
    for field, name in zip(_FIELDS, names, strict=False):
        value = rest.get(name)
        plain = isinstance(value, str | int) and (field not in _PLAIN or _PLAIN[field].fullmatch(str(value)))
        if plain and _NEEDS.get(field, field) in {field, *fields}:
            fields[field] = rest.pop(name)
    url = build_url(dialect, fields, {})
    return {"url": url if "name" in fields else url.removesuffix("/"), **({"connect_args": rest} if rest else {})}


def django_entry(backend: str, arguments: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Returns an entry of Django's `DATABASES` for a driver's arguments, whose `names` are as of `engine_arguments`."""
    rest = dict(arguments)
    fields = ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    address = {field: rest.pop(name, "") for field, name in zip(fields, names, strict=True)}
    return {"ENGINE": backend, **address, "OPTIONS": rest}


def django_settings(db: Credentials) -> tuple[Credentials, dict[str, Any]]:
    """Returns the credentials without the options that are settings of Django's `DATABASES`, and these settings.

    >>> django_settings(Credentials("mysql", {"options": {"conn_max_age": "600", "charset": "utf8"}}))[1]
    {'CONN_MAX_AGE': 600}

    Raises:
        DriverError: a setting is neither a number nor on or off.
    """
    found = {option.upper(): str(value).lower() for option, value in db.options.items() if option.lower() in DJANGO}
    for option, value in found.items():
        if value not in _CONSTANTS and not value.isdecimal():
            raise DriverError(f"django needs a number, true, false or none as {option}")
    rest = {option: value for option, value in db.options.items() if option.lower() not in DJANGO}
    settings = {option: _CONSTANTS[value] if value in _CONSTANTS else int(value) for option, value in found.items()}
    return Credentials(db.engine, {**db, "options": rest}, db.url), settings


def refuse_django_settings(db: Credentials, driver: str) -> None:
    """Raises DriverError if an option is a setting of Django's `DATABASES`."""
    for option in db.options:
        if option.lower() in DJANGO:
            raise refusal(driver, option, "only Django has it; remove it, or use django")


def client_context(db: Credentials, driver: str) -> ssl.SSLContext:
    """Returns the context of Python's `ssl` for the options of TLS.

    Raises:
        DriverError: a file that an option names cannot be read, or has the wrong content.
    """
    import ssl  # takes a while, and most programs connect without it

    options, mode, files = db.options, db.options.get("sslmode"), "the file of `ca`"
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        # the default since Python 3.13; it refuses the authorities that MySQL generates
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = mode == "verify-full"
        if mode not in VERIFYING:
            context.verify_mode = ssl.CERT_NONE
        if "certificate" in options:
            files = "the files of `certificate` and `key`"
            # with no password, OpenSSL would ask for one on the terminal
            context.load_cert_chain(options["certificate"], options.get("key"), password="")
    except ssl.SSLError as problem:
        reason = problem.reason or "it is no PEM file"
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "it cannot be read"
    else:
        return context
    raise DriverError(f"{driver} cannot use {files}: {reason}")
