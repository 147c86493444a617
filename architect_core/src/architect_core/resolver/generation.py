"""A service as it is at one time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from architect_core._base.signatures import Signatures, files_in, signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract.double import Double
    from architect_core.exceptions import ArchitectError
    from architect_core.resolver.clients import Clients
    from architect_core.schema.config import ServiceConfig


@dataclass(frozen=True)
class Generation:
    """A service as it is at one time. A reload, a fork or a double replaces it by the next one.

    Attributes:
        config: its entry; None if it never had one.
        clients: what is made of the entry; None if the service does not exist.
        unknown: returns the error that every use raises; None if the service exists.
        files: what the files that the entry names were like.
    """

    config: ServiceConfig | None
    clients: Clients | None = None
    unknown: Callable[[], ArchitectError] | None = None
    files: Signatures = field(default_factory=dict)

    def use(self) -> Clients:
        """The clients; raises the error if the service does not exist."""
        if self.unknown is not None:
            raise self.unknown()
        assert self.clients is not None  # noqa: S101 - one of the two is there
        return self.clients

    def serves(self, config: ServiceConfig, double: Double | None) -> bool:
        """Whether clients of another entry would be the same; subscriptions and datastores make no difference."""
        if self.config is None or self.clients is None or self.clients.double is not double:
            return False
        own = {"subscriptions", "datastores"}
        return signatures_of(config) == self.files and self.config.model_dump(exclude=own) == config.model_dump(
            exclude=own
        )


def signatures_of(config: ServiceConfig) -> Signatures:
    """What the files that an entry names, such as certificates, are like now."""
    return signatures(files_in(config.options))
