"""A datastore's entry in the form of each platform, read as an application reads it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from architect_core.contract import Credentials, Source
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver
from architect_sources.aspire import AspireSource
from architect_sources.bindings import BindingSource
from architect_sources.urls import UrlSource
from architect_sources.vcap import VcapSource

PLUGINS = Plugins()
"""Shared by all tests: a new one searches all installed distributions again, which takes 20 ms."""

Entry = Mapping[str, Any]


def in_code(entry: Entry) -> Credentials:
    """The entry given to `configure()`."""
    config = {"me": {"datastores": {"x": entry}}}
    return Resolver(config, current_service="me", root="/nowhere", plugins=PLUGINS).datastore("x")


def in_vcap(entry: Entry) -> Credentials:
    """The credentials of Cloud Foundry, whose label is the engine."""
    credentials = {{"url": "uri", "name": "database"}.get(key, key): value for key, value in entry.items()}
    label = credentials.pop("type", "user-provided")
    bound = [{"name": "x", "credentials": credentials | credentials.pop("options", {})}]
    return _read(VcapSource({"VCAP_SERVICES": json.dumps({label: bound})}))


def in_binding(entry: Entry) -> Credentials:
    """The files of a service binding of Kubernetes."""
    files = {{"url": "uri", "name": "database"}.get(key, key): value for key, value in entry.items()}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "x")
        folder.mkdir()
        for key, value in (files | files.pop("options", {})).items():
            (folder / key).write_text(str(value), newline="")
        return _read(BindingSource({"SERVICE_BINDING_ROOT": root}))


def in_connection_string(entry: Entry) -> Credentials:
    """The variable that Aspire sets for .NET."""
    return _read(AspireSource({"ConnectionStrings__x": _text(entry)}))


def in_uri(entry: Entry) -> Credentials:
    """The variable that Aspire sets for other languages."""
    return _read(AspireSource({"X_URI": _text(entry)}))


def in_uri_beside_a_host(entry: Entry) -> Credentials:
    """Both variables of Aspire, of which the one for .NET is a host alone."""
    return _read(AspireSource({"ConnectionStrings__x": "h:1234", "X_URI": _text(entry)}))


def in_url_variable(entry: Entry) -> Credentials:
    """`X_URL`."""
    return _read(UrlSource({"X_URL": _text(entry)}))


ANY_ENTRY: tuple[Callable[[Entry], Credentials], ...] = (in_code, in_vcap, in_binding)
"""Forms of any entry."""

TEXTS: tuple[Callable[[Entry], Credentials], ...] = (in_connection_string, in_uri, in_url_variable)
"""Forms of an entry that is a URL alone, or a connection string."""


def _text(entry: Entry) -> str:
    return str(entry.get("url") or entry["connection_string"])


def _read(source: Source) -> Credentials:
    return Resolver(source=source, root="/nowhere", plugins=PLUGINS).datastore("x")
