"""The hooks of a plugin, one for each class of the contract; `docs/reference/hooks.md` has an example of each."""

from __future__ import annotations

from typing import Any

import pluggy

from architect_core.contract.client import ClientFactory
from architect_core.contract.credentials import CredentialParser
from architect_core.contract.development import Command, DatastoreProvisioner, ReadinessProbe, StubGenerator
from architect_core.contract.double import DoubleFactory
from architect_core.contract.events import EventPublisher
from architect_core.contract.observer import Observer
from architect_core.contract.provided import Provided
from architect_core.contract.source import Source

GROUP = "architect"
"""The entry-point group."""

CONTRACT = 1
"""The version of this contract. It grows by one when a hook or a method is added."""

OLDEST_CONTRACT = 1
"""The oldest version whose plugins still work. It grows when a hook or method is removed or changes its meaning."""

KINDS: tuple[type[Provided], ...] = (
    ClientFactory,
    CredentialParser,
    Source,
    EventPublisher,
    StubGenerator,
    ReadinessProbe,
    DatastoreProvisioner,
    Command,
    DoubleFactory,
    Observer,
)
"""The classes that a plugin may provide; the attribute `hook` of each names the hook that returns an instance."""

hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a function of a plugin as a hook."""


def _specification(kind: type[Provided]) -> Any:
    def specify() -> None:
        """See the class."""

    specify.__name__ = kind.hook
    return pluggy.HookspecMarker(GROUP)(specify)


SPECIFICATIONS = type("Specifications", (), {kind.hook: _specification(kind) for kind in KINDS})
"""The hook specifications, for pluggy."""
