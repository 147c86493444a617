"""Connection strings of ODBC in a URL of SQLAlchemy, `mssql+pyodbc:///?odbc_connect=...`.

See https://docs.sqlalchemy.org/en/20/dialects/mssql.html#pass-through-exact-pyodbc-string, and
https://learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute for the keywords.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from architect_core.contract import parse_port
from architect_datastore.arguments import given
from architect_datastore.kit.url import build_url

_PAIR = re.compile(r"\s*([^=;{}]+?)\s*=\s*(?:\{((?:[^}]|\}\})*+)\}|([^;{]*+))\s*(?:;|\Z)", re.DOTALL)
_FIELDS = {"uid": "username", "pwd": "password", "database": "name"}
_SERVER = frozenset({"server", "address", "addr"})


def url_of_odbc(url: str) -> str:
    """Returns a URL that means the same, with the string's keywords as its host, login, name and options.

    >>> url_of_odbc("mssql+pyodbc:///?odbc_connect=Server%3Dtcp:h,1434;Database%3Dd;UID%3Du;PWD%3D{p;w};Encrypt%3Dyes")
    'mssql://u:p%3Bw@h:1434/d?Encrypt=yes'

    A URL without such a string is returned unchanged.

    Raises:
        ValueError: the string is malformed; the message repeats no part of it.
    """
    start, _, query = url.partition("?")
    texts = parse_qs(query, keep_blank_values=True).get("odbc_connect")
    if texts is None:
        return url
    if len(texts) > 1 or "&" in query or not start.endswith(("://", ":///")):
        raise ValueError("has `odbc_connect`, and a host or another option beside it")
    fields: dict[str, Any] = {}
    options: dict[str, str] = {}
    for keyword, value in _pairs(texts[0]):
        name = keyword.lower()
        if name in _SERVER:
            server, comma, port = value.removeprefix("tcp:").partition(",")
            fields |= given(host=server.strip(), port=parse_port(port.strip()) if comma else None)
        elif name == "dsn":
            fields["host"] = options["dsn"] = value
        elif name in _FIELDS:
            fields[_FIELDS[name]] = value
        else:
            options[keyword] = value
    return build_url("mssql", fields, options)


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = 0
    while text[at:].strip("; \t\r\n"):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise ValueError(f"pair {len(pairs) + 1} of `odbc_connect` is malformed; a value with ';' is in braces")
        pairs.append((pair[1], pair[3].strip() if pair[2] is None else pair[2].replace("}}", "}")))
        at = pair.end()
    return pairs
