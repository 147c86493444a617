"""Fills the placeholders of a path: `/orders/:order_id`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from architect_rest.origin import PathParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PLACEHOLDER = re.compile(r"(?<=/):([A-Za-z_][A-Za-z0-9_]*)")


def fill(url: str, path_params: Mapping[str, object]) -> str:
    """`url` with every `:name` that starts a segment of its path replaced, percent-encoded (RFC 3986).

    >>> fill("/files/:path/versions/:number", {"path": "a/b", "number": 3})
    '/files/a%2Fb/versions/3'

    Raises:
        PathParameterError: a placeholder has no value, a value no placeholder, or a value is no segment of a path.
    """
    if not isinstance(path_params, Mapping):
        raise PathParameterError(f"path_params must be a mapping, not a {type(path_params).__name__}")
    end = min((place for place in (url.find("?"), url.find("#")) if place >= 0), default=len(url))
    path, rest = url[:end], url[end:]
    names = set(_PLACEHOLDER.findall(path))
    if names != set(path_params):
        missing, unused = sorted(names - set(path_params)), sorted(map(str, set(path_params) - names))
        raise PathParameterError("; ".join([*_told("no value for", missing), *_told("no placeholder for", unused)]))
    return _PLACEHOLDER.sub(lambda match: _segment(match[1], path_params[match[1]]), path) + rest


def _told(what: str, names: Iterable[str]) -> list[str]:
    listed = ", ".join(f":{name}" for name in names)
    return [f"path_params has {what} {listed}"] if listed else []


def _segment(name: str, value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if value is None or text in {"", ".", ".."}:
        raise PathParameterError(f"path_params: the value for :{name} is None, empty, '.' or '..', which is no segment")
    return quote(text, safe="")
