"""Whether a service of a run is ready, according to the readiness probe of its protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from architect_core.contract import MANIFEST_FILE, Listener, ReadinessProbe
from architect_core.exceptions import ManifestError, NoPluginError
from architect_core.schema import validate

if TYPE_CHECKING:
    from architect_cli.tree import Node
    from architect_core.plugins import Plugins

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Readiness:
    """A service's probe, with the options in its manifest.

    Attributes:
        name: the service.
        protocol: the protocol, which is the name of the probe's plugin.
        probe: the probe.
        options: an instance of the probe's `Options`.
        plugins: where the probe is from.
    """

    name: str
    protocol: str
    probe: ReadinessProbe
    options: Any
    plugins: Plugins

    def is_ready(self, host: str, port: int) -> bool:
        """Probe once; an exception of the plugin becomes a PluginError."""
        with self.plugins.blamed(self.protocol, f"the readiness of {self.name}"):
            return self.probe.is_ready(Listener(self.name, host, port, self.options), _ANSWER_SECONDS)


def readiness_of(node: Node, plugins: Plugins) -> Readiness | None:
    """The readiness of a service, or None if its protocol has no probe: then it is ready when something listens.

    Raises:
        ManifestError: `api.readiness` has wrong options, or there is no probe for them.
        PluginError: the protocol's plugin is broken.
    """
    api = node.manifest.api
    if api is None:
        return None
    try:
        probe = plugins.find(ReadinessProbe, api.type, f"service {node.name!r}")
    except NoPluginError:  # the run itself needs none
        probe = None
    where = str(node.folder / MANIFEST_FILE)
    if probe is not None:
        options = validate(probe.Options, api.readiness, where, "api.readiness", error=ManifestError)
        return Readiness(node.name, api.type, probe, options, plugins)
    if api.readiness:
        raise ManifestError(where, [("api.readiness", f"no installed plugin has a readiness probe for {api.type!r}")])
    return None
