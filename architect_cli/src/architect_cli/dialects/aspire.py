"""The dialect of .NET Aspire: `services__NAME__ENDPOINT__N` and `ConnectionStrings__NAME`."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from architect_cli.dialects.dialect import Dialect, Form, Item
from architect_cli.dialects.urls import datastore_urls, service_urls
from architect_core.contract import MASK, mask_url
from architect_core.sources.variables import VariablesSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from architect_core.contract import Source
    from architect_core.plugins import Plugins


class Aspire(Dialect):
    """Variables, a line for each, in a file that Compose reads (`env_file`), and a shell where it can set the name.

    Both take text between single quotes literally. Values have no quote and no backslash, which they read differently.
    """

    name = "aspire"
    several = True

    def holder(self, item: Item) -> str:
        """The start of the names of its variables. A resource's name has neither "/" nor "_"."""
        kind = "services" if item.kind == "services" else "ConnectionStrings"
        return f"{kind}__{re.sub('[/_]', '-', item.name)}"

    def forms(self, item: Item) -> Iterable[Form]:
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

    def source(self, item: Item, form: Form, plugins: Plugins) -> Source:  # noqa: ARG002 - as all others
        """What reads these variables."""
        return replace(plugins.get(VariablesSource, "aspire", "architect env --export aspire"), environ=form)

    def text(self, exported: Sequence[tuple[Item, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """The variables. They cannot point to a secret, so it is masked."""
        values = {variable: url for _, form in exported for variable, url in form.items()}
        shown = values if secrets else {variable: mask_url(url) for variable, url in values.items()}
        hidden = [variable for variable, url in shown.items() if MASK in url and url != values[variable]]
        note = f"secrets are masked in {', '.join(hidden)}; --show-secrets writes them"
        lines = [f"{variable}={shlex.quote(url)}" for variable, url in shown.items()]
        return "\n".join(lines), [note] if hidden else []


def _quotable(url: str) -> str:
    return url.replace("'", "%27").replace("\\", "%5C")
