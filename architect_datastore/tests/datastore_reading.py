"""Reads the credentials of an entry."""

from __future__ import annotations

from typing import Any

from architect_core.contract import Credentials
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver

PLUGINS = Plugins()
"""Shared by all tests: a new one searches all installed distributions again, which takes 20 ms."""


def credentials(**entry: Any) -> Credentials:
    """Returns the credentials of a datastore with this entry."""
    config = {"acme/orders": {"datastores": {"primary_db": entry}}}
    return Resolver(config, current_service="acme/orders", root="/nowhere", plugins=PLUGINS).datastore("primary_db")
