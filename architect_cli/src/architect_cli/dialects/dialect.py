"""What the dialects have in common, and whether what they write is read back as what was resolved."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from architect_cli.dialects.urls import service_urls
from architect_cli.resolved import given
from architect_core.exceptions import ArchitectError
from architect_core.resolver import Resolver
from architect_core.schema import DatastoreConfig, ServiceConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

Form = Mapping[str, str]
"""The variables, or the files, for one item: name -> value."""

# fields that are exported by other means
_EXPORTED = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}
_COMPARED = ("engine", "hosts", "username", "password", "name", "options")


class Dialect(ABC):
    """The format in which a platform states the addresses of services and datastores.

    Attributes:
        name: its name in `--export`.
        several: whether it can express several instances of a service.
    """

    name: ClassVar[str]
    several: ClassVar[bool] = False

    @abstractmethod
    def holder(self, item: Resolved) -> str:
        """The variable or folder of an item, for messages; no two items may have the same."""

    @abstractmethod
    def forms(self, item: Resolved) -> Iterable[Form]:
        """The possible forms of an item, the preferred one first."""

    @abstractmethod
    def source(self, item: Resolved, form: Form, plugins: Plugins) -> Source:
        """A source that reads a form as an application would.

        Raises:
            NoPluginError: the package that has the source is not installed.
        """

    @abstractmethod
    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """Returns the text to print for all items, and notes on omitted secrets."""

    def carried(self, form: Form) -> Iterable[str]:  # noqa: ARG002 - to override
        """The keys of the entry, or of its options, that a form has under the same name."""
        return ()


def with_credentials(found: Iterable[Resolved], resolver: Resolver) -> tuple[list[Resolved], list[ArchitectError]]:
    """Returns the items with their credentials, and an error for each datastore whose credentials cannot be read."""
    items: list[Resolved] = []
    problems: list[ArchitectError] = []
    for each in found:
        try:
            credentials = resolver.datastore(each.name) if each.kind == "datastores" else None
            items.append(replace(each, credentials=credentials))
        except ArchitectError as problem:
            problems.append(problem)
    return items, problems


def further(item: Resolved) -> dict[str, Any]:
    """The fields of an entry beside the address and the login."""
    return {key: value for key, value in item.entry.items() if key not in _EXPORTED[item.kind] and value}


def differing(item: Resolved, source: Source, plugins: Plugins) -> list[str]:
    """The fields that differ between `source` and what was resolved; of several instances, the first is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # without a manifest
    try:
        if item.credentials is not None:
            return _differing(item.credentials, resolver.datastore(item.name))
        read = given(resolver.service(item.name).config)
    except ArchitectError:
        return ["all of it"]
    wanted, urls = service_urls(item.entry), service_urls(read)
    fields = [] if read.get("api") == item.entry.get("api") else ["api"]
    return fields if urls in (wanted, wanted[:1]) else [*fields, "host"]


def _differing(wanted: Credentials, read: Credentials) -> list[str]:
    fields = [name for name in _COMPARED if getattr(wanted, name) != getattr(read, name)]
    schemes = {(each.url or "").partition("://")[0] for each in (wanted, read)}
    return fields if len(schemes) == 1 else [*fields, "url"]


def settable(name: str) -> str:
    """The name of a variable that a shell and Compose can set; neither allows a digit at its start.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def notes_on(variables: Sequence[str], how: str) -> list[str]:
    """A note on which variables to set, and how, if there are any."""
    note = f"secrets are omitted: set {', '.join(variables)} {how}; --show-secrets writes them"
    return [note] if variables else []
