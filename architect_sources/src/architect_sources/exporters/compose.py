"""The export as a part of a Compose file: variables that the source `urls` reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_core.contract import MASK, Exported, Exporter, Form, mask_url
from architect_sources.naming import variable_stems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from architect_core.contract import ExportTarget, Source


@dataclass(frozen=True)
class ComposeExporter(Exporter):
    """The key `environment` of a service in a Compose file, with `<NAME>_URL` for each service and datastore.

    Attributes:
        source: returns the source that reads variables.
    """

    source: Callable[[Mapping[str, str]], Source]

    def holder(self, target: ExportTarget) -> str:
        """Its variable."""
        return f"{variable_stems(target.name)[0]}_URL"

    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """One variable."""
        urls = target.urls[:1] if target.credentials is None else target.urls
        variables = [{self.holder(target): url} for url in urls]
        return [Form(each, self.source(each)) for each in variables]

    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:  # noqa: ARG002
        """The lines. A secret is replaced by a variable of Compose, which refuses to start without it."""
        lines = ["environment:"]
        wanted: list[str] = []
        for form in forms:
            for variable, url in form.values.items():
                shown = url.replace("$", "$$") if secrets else _pointing(variable, url, wanted)
                lines.append(f"  {variable}: {json.dumps(shown, ensure_ascii=False)}")
        how = "where Compose runs, percent-encoded as in a URL; --show-secrets writes them"
        return Exported("\n".join(lines), [f"secrets are omitted: set {', '.join(wanted)} {how}"] if wanted else [])


def _pointing(variable: str, url: str, wanted: list[str]) -> str:
    """A URL with variables for its password and its options, or one variable for a URL that cannot be split.

    The variables are added to `wanted`.
    """
    hidden = mask_url(url)
    if hidden == url:
        return url.replace("$", "$$")
    stem = re.sub(r"^(?=\d)", "_", variable.removesuffix("_URL"))  # Compose allows no digit at the start
    password, options, whole = (f"{stem}_{part}" for part in ("PASSWORD", "OPTIONS", "URL"))
    filled = hidden.replace("$", "$$").replace(f":{MASK}@", f":${{{password}:?}}@", 1)
    if filled.endswith(f"?{MASK}"):
        filled = f"{filled.removesuffix(MASK)}${{{options}:?}}"
    if MASK in filled:
        filled = f"${{{whole}:?}}"
    wanted += [each for each in (password, options, whole) if f"${{{each}:?}}" in filled]
    return filled
