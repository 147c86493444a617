"""Import paths of earlier documentation work, or raise an error that names the new one."""

from __future__ import annotations

from importlib import import_module

import pytest

WORKING = {
    "architect.sdk": "service",
    "architect.testing": "Doubles",
    "architect_core.contract": "ClientFactory",
    "architect_core.deadline": "remaining",
    "architect_core.exceptions": "ConfigError",
    "architect_core.plugins": "Plugins",
    "architect_core.resolver": "Resolver",
    "architect_core.sources": "Source",
    "architect_rest": "DeadlineMiddleware",
    "architect_rest.aio.client": "AioRestClient",
}
MOVED = {
    "architect_core.address": "architect_core.contract",
    "architect_core.config": "architect_core.schema",
    "architect_core.connection_string": "architect_datastore.kit",
    "architect_core.datastore": "architect_core.contract",
    "architect_core.hookspecs": "architect_core.contract",
    "architect_core.manifest": "architect_core.schema.manifest",
    "architect_core.network": "architect_datastore.kit",
    "architect_core.notification": "architect_core.contract",
    "architect_core.testing": "architect_testing",
    "architect_rest.client": "architect_rest.sync.client",
    "architect_rest.double": "architect_rest.doubles",
}


@pytest.mark.parametrize("module", WORKING)
def test_a_documented_module_has_its_documented_name(module):
    assert getattr(import_module(module), WORKING[module])


@pytest.mark.parametrize("module", MOVED)
def test_importing_a_moved_module_raises_an_error_with_its_new_name(module):
    with pytest.raises(ImportError, match=rf"^{module} is now (a part of )?{MOVED[module]}\b[^\n]*$"):
        import_module(module)
    assert import_module(MOVED[module])
