"""The hooks of a plugin. Each is called once, when the first user of the plugin's protocol or engine asks.

A hook is a function of the plugin's module, marked with `hookimpl`:

    from architect_core.hookspecs import hookimpl

    @hookimpl
    def architect_client_factory() -> ClientFactory:
        return CarrierPigeonFactory()

with the entry point, in the plugin's pyproject.toml:

    [project.entry-points.architect]
    pigeon = "architect_pigeon"

after which `{"api": "pigeon"}` in a service's entry is served by it. A module may have any of the hooks; a function
whose name starts with `architect_` and is no hook below is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from architect_core.contract import (
        ClientFactory,
        CredentialParser,
        DatastoreProvisioner,
        EventPublisher,
        StubGenerator,
    )

GROUP = "architect"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def architect_client_factory() -> ClientFactory:  # type: ignore[empty-body]
    """What makes the clients of this protocol; asked for by the first `service(name).client` of it."""


@hookspec
def architect_event_publisher() -> EventPublisher:  # type: ignore[empty-body]
    """What delivers events to subscribers of this protocol; asked for by the first `notification(name).publish()`."""


@hookspec
def architect_credential_parser() -> CredentialParser:  # type: ignore[empty-body]
    """What reads the credentials of this engine; asked for by the first `datastore(name)` of it."""


@hookspec
def architect_stub_generator() -> StubGenerator:  # type: ignore[empty-body]
    """What generates this protocol's stubs; asked for by `architect install`."""


@hookspec
def architect_datastore_provisioner() -> DatastoreProvisioner:  # type: ignore[empty-body]
    """What starts a server of this engine; asked for by `architect run`."""
