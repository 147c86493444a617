"""The dialects that are variables with URLs: those of .NET Aspire, and `NAME_URL` in a Compose file."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from architect_cli.dialects.dialect import Dialect, Form, datastore_urls, notes_on, service_urls, settable
from architect_core.contract import MASK, mask_url
from architect_core.sources.naming import variable_stems
from architect_core.sources.variables import VariablesSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from architect_cli.resolved import Resolved
    from architect_core.contract import Source
    from architect_core.plugins import Plugins


class _Variables(Dialect):
    """Variables that the source `source_name` of `architect_sources` reads."""

    source_name: ClassVar[str]

    def source(self, item: Resolved, form: Form, plugins: Plugins) -> Source:  # noqa: ARG002 - as all others
        """What reads the variables."""
        return replace(
            plugins.get(VariablesSource, self.source_name, f"architect env --export {self.name}"), environ=form
        )


class Aspire(_Variables):
    """Variables, a line for each, in a file that Compose reads (`env_file`), and a shell where it can set the name.

    Both take text between single quotes literally. Values have no quote and no backslash, which they read differently.
    """

    name = source_name = "aspire"
    several = True

    def holder(self, item: Resolved) -> str:
        """The start of the names of its variables. A resource's name has neither "/" nor "_"."""
        kind = "services" if item.kind == "services" else "ConnectionStrings"
        return f"{kind}__{re.sub('[/_]', '-', item.name)}"

    def forms(self, item: Resolved) -> Iterable[Form]:
        """A variable for each instance of a service, one for a datastore."""
        holder = self.holder(item)
        if item.credentials is not None:
            return [{holder: _quotable(url)} for url in datastore_urls(item.credentials)]
        urls = [_quotable(url) for url in service_urls(item.entry)]
        if item.entry.get("api") == "grpc":
            # the URL of an endpoint is that of HTTP/2, and the endpoint's name says that it is gRPC
            urls, endpoint = [re.sub("^grpc", "http", url) for url in urls], "grpc"
        else:
            endpoint = urls[0].partition(":")[0] if urls else ""
        return [{f"{holder}__{endpoint}__{number}": url for number, url in enumerate(urls)}] if urls else []

    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """The variables. They cannot point to a secret, so it is masked."""
        values = {variable: url for _, form in exported for variable, url in form.items()}
        shown = values if secrets else {variable: mask_url(url) for variable, url in values.items()}
        hidden = [variable for variable, url in shown.items() if MASK in url and url != values[variable]]
        note = f"secrets are masked in {', '.join(hidden)}; --show-secrets writes them"
        lines = [f"{variable}={shlex.quote(url)}" for variable, url in shown.items()]
        return "\n".join(lines), [note] if hidden else []


class Compose(_Variables):
    """A part of a Compose file."""

    name = "compose"
    source_name = "urls"

    def holder(self, item: Resolved) -> str:
        """Its variable."""
        return f"{variable_stems(item.name)[0]}_URL"

    def forms(self, item: Resolved) -> Iterable[Form]:
        """One variable."""
        credentials = item.credentials
        urls = service_urls(item.entry)[:1] if credentials is None else datastore_urls(credentials)
        return [{self.holder(item): url} for url in urls]

    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """The lines. A secret is replaced by a variable of Compose, which refuses to start without it."""
        lines = ["environment:"]
        wanted: list[str] = []
        for _, form in exported:
            for variable, url in form.items():
                shown = url.replace("$", "$$") if secrets else _pointing(variable, url, wanted)
                lines.append(f"  {variable}: {json.dumps(shown, ensure_ascii=False)}")
        return "\n".join(lines), notes_on(wanted, "where Compose runs, percent-encoded as in a URL")


def _pointing(variable: str, url: str, wanted: list[str]) -> str:
    """A URL with variables for its password and its options, or one variable for a URL that cannot be split.

    The variables are added to `wanted`.
    """
    hidden = mask_url(url)
    if hidden == url:
        return url.replace("$", "$$")
    stem = settable(variable.removesuffix("_URL"))
    password, options, whole = (f"{stem}_{part}" for part in ("PASSWORD", "OPTIONS", "URL"))
    filled = hidden.replace("$", "$$").replace(f":{MASK}@", f":${{{password}:?}}@", 1)
    if filled.endswith(f"?{MASK}"):
        filled = f"{filled.removesuffix(MASK)}${{{options}:?}}"
    if MASK in filled:
        filled = f"${{{whole}:?}}"
    wanted += [each for each in (password, options, whole) if f"${{{each}:?}}" in filled]
    return filled


def _quotable(url: str) -> str:
    return url.replace("'", "%27").replace("\\", "%5C")
