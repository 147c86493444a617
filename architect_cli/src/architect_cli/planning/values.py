"""The values of parameters: texts, contents of files, and texts that are made of what others have."""

from __future__ import annotations

import contextlib
import os
from string import Template
from typing import TYPE_CHECKING, Any

from architect_core.contract import did_you_mean, listing, parse_address
from architect_core.exceptions import ManifestError
from architect_core.sources.pointers import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from architect_core.schema.manifest import Parameter, ValueFrom

FILE = "file:"


def is_file(declared: Parameter) -> bool:
    """Whether the default of a parameter is the content of a file."""
    return isinstance(declared.default, str) and declared.default.startswith(FILE)


def default_of(declared: Parameter, folder: Path, where: str, path: str) -> str | ValueFrom | None:
    """The default of a parameter, where `file:` and a path relative to `folder` is the content of that file.

    A default that is null is an empty text, as in the original platform. Raises ManifestError, with `where` and `path`,
    if the file cannot be read.
    """
    default = declared.default
    if default is None:
        return "" if "default" in declared.model_fields_set else None
    if not isinstance(default, str) or not is_file(declared):
        return default
    text, reason = read_text(str(folder / os.path.expanduser(default.removeprefix(FILE))))  # noqa: PTH111 - as "~nobody" is no error
    if reason:
        raise ManifestError(where, [(path, f"the file that it names {reason}")])
    return text


def expanded(text: str, known: Iterable[str], values: Mapping[str, Any], where: str, path: str) -> str:
    """A text in which `$HOST`, `$PORT` and the names of parameters are replaced; as it is without a host in `values`.

    Raises ManifestError, with `where` and `path`, if it has another name than these and the `known` ones.
    """
    template, names = Template(text), {"HOST", "PORT", *known}
    for name in template.get_identifiers():
        if name not in names:
            reason = f"there is no ${name}{did_you_mean(name, names)}; {listing(sorted(names))}"
            raise ManifestError(where, [(path, reason)])
    host = values.get("host")
    if host is None:
        return text
    with contextlib.suppress(ValueError):  # an error for the service that makes a client of it
        host = parse_address(host).host
    return template.safe_substitute({**values, "HOST": host, "PORT": values.get("port", "")})
