"""Fills the placeholders of a path: `/orders/:order_id`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"(?<=/):([A-Za-z_][A-Za-z0-9_]*)")


def fill(url: str, path_params: Mapping[str, object], error: Callable[[str], Exception] = ValueError) -> str:
    """`url` with every `:name` at the start of a path segment replaced, percent-encoded (RFC 3986).

    >>> fill("/files/:path/versions/:number", {"path": "a/b", "number": 3})
    '/files/a%2Fb/versions/3'

    Raises:
        Exception: what `error` makes, if a placeholder has no value, a value no placeholder, or a value cannot be one
            segment of a path.
    """
    if not isinstance(path_params, Mapping):
        raise error(f"path_params must be a mapping, not a {type(path_params).__name__}")
    end = min((found for found in (url.find("?"), url.find("#")) if found >= 0), default=len(url))
    path, rest = url[:end], url[end:]
    names = set(_PLACEHOLDER.findall(path))
    missing, unused = sorted(names - set(path_params)), sorted(map(str, set(path_params) - names))
    problems = [
        f"path_params has {what} {', '.join(f':{name}' for name in wrong)}"
        for what, wrong in (("no value for", missing), ("no placeholder for", unused))
        if wrong
    ]
    segments = {name: _text(path_params[name]) for name in names - set(missing)}
    problems += [
        f"path_params: the value for :{name} is None, empty, '.' or '..', which is no segment"
        for name, text in segments.items()
        if text in {"", ".", ".."}
    ]
    if problems:
        raise error("; ".join(problems))
    return _PLACEHOLDER.sub(lambda match: quote(segments[match[1]], safe=""), path) + rest


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
