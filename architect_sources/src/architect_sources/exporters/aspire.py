"""The export for .NET Aspire: variables, in lines for a shell and for Compose's `env_file`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from architect_core.contract import MASK, Exported, Exporter, Form, mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from architect_core.contract import ExportTarget, Source


@dataclass(frozen=True)
class AspireExporter(Exporter):
    """Variables, a line for each, in a file that Compose reads (`env_file`), and a shell where it can set the name.

    Both take text between single quotes literally. Values have no quote and no backslash, which they read differently.

    Attributes:
        source: returns the source that reads variables.
    """

    source: Callable[[Mapping[str, str]], Source]

    def holder(self, target: ExportTarget) -> str:
        """The start of the names of its variables. A resource's name has neither "/" nor "_"."""
        kind = "services" if target.credentials is None else "ConnectionStrings"
        return f"{kind}__{re.sub('[/_]', '-', target.name)}"

    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """A variable for each instance of a service, one for a datastore."""
        holder = self.holder(target)
        urls = [url.replace("'", "%27").replace("\\", "%5C") for url in target.urls]
        if target.credentials is not None:
            return [self._form({holder: url}) for url in urls]
        if target.entry.get("api") == "grpc":
            # the URL of an endpoint is that of HTTP/2, and the endpoint's name says that it is gRPC
            urls, endpoint = [re.sub("^grpc", "http", url) for url in urls], "grpc"
        else:
            endpoint = urls[0].partition(":")[0] if urls else ""
        return [self._form({f"{holder}__{endpoint}__{number}": url for number, url in enumerate(urls)})] if urls else []

    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:  # noqa: ARG002
        """The variables. They cannot point to a secret, so it is masked."""
        values = {variable: url for form in forms for variable, url in form.values.items()}
        shown = values if secrets else {variable: mask_url(url) for variable, url in values.items()}
        hidden = [variable for variable, url in shown.items() if MASK in url and url != values[variable]]
        note = f"secrets are masked in {', '.join(hidden)}; --show-secrets writes them"
        lines = [f"{variable}={shlex.quote(url)}" for variable, url in shown.items()]
        return Exported("\n".join(lines), [note] if hidden else [])

    def _form(self, variables: Mapping[str, str]) -> Form:
        return Form(variables, self.source(variables), kept={"instances"})
