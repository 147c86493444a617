"""The hooks of a plugin, one for each class of the contract; `docs/reference/hooks.md` has an example of each."""

from __future__ import annotations

import pluggy

from architect_core.contract import client, credentials, development, events, observer, source
from architect_core.contract.provided import Provided

GROUP = "architect"
"""The entry-point group."""

CONTRACT = 1
"""The version of this contract. It grows by one when a hook or a method is added."""

OLDEST_CONTRACT = 1
"""The oldest version whose plugins still work. It grows when a hook or method is removed or changes its meaning."""

KINDS: tuple[type[Provided], ...] = (
    client.ClientFactory,
    credentials.CredentialParser,
    source.Source,
    events.EventPublisher,
    development.StubGenerator,
    development.ReadinessProbe,
    development.DatastoreProvisioner,
    development.Command,
    development.DoubleFactory,
    observer.Observer,
)
"""The classes that a plugin may provide; the attribute `hook` of each names the hook that returns an instance."""

hookimpl = pluggy.HookimplMarker(GROUP)
"""Marks a function of a plugin as a hook."""


@pluggy.HookspecMarker(GROUP)
def _without_arguments() -> None: ...


SPECIFICATIONS = type("Specifications", (), {kind.hook: _without_arguments for kind in KINDS})
"""The hook specifications, for pluggy."""
