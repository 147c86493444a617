"""What a dialect is, and which of its forms is read as what was resolved."""

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
"""The variables, or the files, that say one place."""

_COMPARED = ("engine", "hosts", "username", "password", "name", "options")


class Dialect(ABC):
    """How a platform tells where services and datastores are.

    Attributes:
        name: what `--export` calls it.
        several: whether it can tell several instances of a service.
    """

    name: ClassVar[str]
    several: ClassVar[bool] = False

    @abstractmethod
    def holder(self, place: Place) -> str:
        """What holds a place, for messages; no two may have the same."""

    @abstractmethod
    def forms(self, place: Place) -> Iterable[Form]:
        """What may say a place, the form to prefer first; none where nothing does."""

    @abstractmethod
    def source(self, place: Place, form: Form, plugins: Plugins) -> Source:
        """A source that reads a form as an application would.

        Raises:
            NoPluginError: the package that has the source is not installed.
        """

    @abstractmethod
    def text(self, said: Sequence[tuple[Place, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """What is printed of the forms of all places, and notes on what it has not because it is secret."""

    def carried(self, form: Form) -> Iterable[str]:  # noqa: ARG002 - to override
        """The keys of an entry, or of its options, whose values a form has under the same name."""
        return ()


def differing(place: Place, source: Source, plugins: Plugins) -> list[str]:
    """The fields that `source` tells otherwise than they were resolved; of several instances, one is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # where no manifest tells an engine
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
