"""What a dialect is, and whether one of its forms is read back as what was resolved."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from architect_cli.dialects.urls import service_urls
from architect_cli.resolved import given
from architect_core.exceptions import ArchitectError
from architect_core.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_cli.dialects.place import Place
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

Form = Mapping[str, str]
"""The variables, or the files, for one place: name -> value."""

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
    def holder(self, place: Place) -> str:
        """The variable or folder of a place, for messages; no two places may have the same."""

    @abstractmethod
    def forms(self, place: Place) -> Iterable[Form]:
        """The possible forms of a place, the preferred one first."""

    @abstractmethod
    def source(self, place: Place, form: Form, plugins: Plugins) -> Source:
        """A source that reads a form as an application would.

        Raises:
            NoPluginError: the package that has the source is not installed.
        """

    @abstractmethod
    def text(self, said: Sequence[tuple[Place, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """Returns the text to print for all places, and notes on omitted secrets."""

    def carried(self, form: Form) -> Iterable[str]:  # noqa: ARG002 - to override
        """The keys of the entry, or of its options, that a form has under the same name."""
        return ()


def differing(place: Place, source: Source, plugins: Plugins) -> list[str]:
    """The fields that differ between `source` and what was resolved; of several instances, the first is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # without a manifest
    try:
        if place.credentials is not None:
            return _differing(place.credentials, resolver.datastore(place.name))
        read = given(resolver.service(place.name).config)
    except ArchitectError:
        return ["all of it"]
    wanted, urls = service_urls(place.entry), service_urls(read)
    fields = [] if read.get("api") == place.entry.get("api") else ["api"]
    return fields if urls in (wanted, wanted[:1]) else [*fields, "host"]


def _differing(wanted: Credentials, read: Credentials) -> list[str]:
    fields = [field for field in _COMPARED if getattr(wanted, field) != getattr(read, field)]
    schemes = {(each.url or "").partition("://")[0] for each in (wanted, read)}
    return fields if len(schemes) == 1 else [*fields, "url"]
