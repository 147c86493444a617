"""The options of TLS that several engines have, and the keys of an entry that mean them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from architect_core.contract import Options
from architect_datastore.kit.tls_keys import FALSE, FILES, PEM, SWITCHES, mode_in, word

TLS = ("sslmode", "ca", "certificate", "key")
VERIFYING = frozenset({"verify-ca", "verify-full"})
CONTRADICTION = "has a scheme that asks for TLS, and an option that does not"


def _path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("must be the path of a file")
    return value


Path = Annotated[str, AfterValidator(_path)]
"""The path of a file."""


class TlsFiles(Options):
    """Options of TLS.

    Attributes:
        sslmode: the TLS mode; each engine has some of PostgreSQL's.
        ca: the path of a PEM file with the certificates of the authorities that may have signed the server's; those of
            the system by default.
        certificate: the path of the client's certificate, PEM.
        key: the path of its key, PEM; by default it is in `certificate`.
    """

    sslmode: str | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def with_tls(options: dict[str, Any], encrypted: str = "verify-full") -> dict[str, Any]:
    """Returns the options of a URL whose scheme asks for TLS, with the `sslmode` `encrypted` unless they have one.

    >>> with_tls({"charset": "utf8"}), with_tls({"sslmode": "require"})
    ({'charset': 'utf8', 'sslmode': 'verify-full'}, {'sslmode': 'require'})

    Raises:
        ValueError: they have one that may connect without TLS.
    """
    if options.get("sslmode", encrypted) not in {"require", *VERIFYING}:
        raise ValueError(CONTRADICTION)
    return {**options, "sslmode": options.get("sslmode", encrypted)}


def read_tls_keys(
    keys: Mapping[str, Any],
    sslmode: str | None,
    names: Iterable[str],
    read: Callable[[dict[str, Any]], dict[str, Any]],
    encrypted: str = "verify-full",
) -> dict[str, Any]:
    """Returns the options of TLS that keys of an entry mean: "sslmode", a switch such as "ssl", a URL's own names.

    >>> read_tls_keys({"use_tls": True, "host": "h"}, None, ["sslmode"], dict)
    {'sslmode': 'verify-full'}

    A switch that is off is ignored; a port for TLS is a switch that is on. A certificate in
    place of a file's path, or an object, means TLS, as a switch does.

    Args:
        keys: the entry's keys; spaces, "_", "-" and case in them are ignored.
        sslmode: the `sslmode` from elsewhere.
        names: options of a URL that are about TLS.
        read: returns the options of a URL's query by our names.
        encrypted: the `sslmode` of a switch that is on.

    Raises:
        ValueError: a value is invalid; the message repeats no value.
    """
    by_word = {word(name): name for name in names}
    # the files of TLS as the clients of other engines name them
    by_word = {name: by_word[option] for name, option in FILES.items() if option in by_word} | by_word
    query: dict[str, Any] = {}
    is_on = False
    for key, value in keys.items():
        name, mode = word(key), mode_in(key, value)
        if value in ("", {}, []):
            continue
        if name in by_word and name not in SWITCHES:
            if PEM in str(value):
                is_on = True
            else:
                query[by_word[name]] = value
        elif mode == "on":
            is_on = True
        elif mode is not None:
            query.setdefault("sslmode", mode)
        elif FILES.get(name, "key") != "key":  # which the engine has no option for
            is_on = True
        elif name in SWITCHES and str(value).strip().lower() not in FALSE:
            query.setdefault("sslmode", value)  # which is an error
    if "certificate" not in query:
        query.pop("key", None)  # which may be a key to anything
    found = read(query) if query else {}
    mode = found.get("sslmode", sslmode)
    if is_on and mode not in {"require", *VERIFYING}:
        found["sslmode"] = encrypted
    return found
