"""The dialect of Compose files: `NAME_URL` in a service's `environment`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from architect_cli.dialects.dialect import Dialect, Form, Item, notes_on, settable
from architect_cli.dialects.urls import datastore_urls, service_urls
from architect_core.contract import MASK, mask_url
from architect_core.sources.naming import variable_stems
from architect_core.sources.variables import VariablesSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from architect_core.contract import Source
    from architect_core.plugins import Plugins


class Compose(Dialect):
    """A part of a Compose file."""

    name = "compose"

    def holder(self, item: Item) -> str:
        """Its variable."""
        return f"{variable_stems(item.name)[0]}_URL"

    def forms(self, item: Item) -> Iterable[Form]:
        """One variable."""
        credentials = item.credentials
        urls = service_urls(item.entry)[:1] if credentials is None else datastore_urls(credentials)
        return [{self.holder(item): url} for url in urls]

    def source(self, item: Item, form: Form, plugins: Plugins) -> Source:  # noqa: ARG002 - as all others
        """What reads the variable."""
        return replace(plugins.get(VariablesSource, "urls", "architect env --export compose"), environ=form)

    def text(self, exported: Sequence[tuple[Item, Form]], *, secrets: bool) -> tuple[str, list[str]]:
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
