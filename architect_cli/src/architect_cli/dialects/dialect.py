"""What the dialects have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core.schema import DatastoreConfig, ServiceConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from architect_cli.resolved import Resolved
    from architect_core.contract import Source
    from architect_core.plugins import Plugins

Form = Mapping[str, str]
"""The variables, or the files, for one item: name -> value."""

# fields that are exported by other means
_EXPORTED = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}


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


def further(item: Resolved) -> dict[str, Any]:
    """The fields of an entry beside the address and the login."""
    return {key: value for key, value in item.entry.items() if key not in _EXPORTED[item.kind] and value}


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
