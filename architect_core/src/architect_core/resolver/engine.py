"""Which engine a datastore is, and its credentials from that engine's plugin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from architect_core._base import names
from architect_core.contract.credentials import CredentialParser, Credentials, DatastoreTarget
from architect_core.exceptions import NoPluginError, PluginError, StubError
from architect_core.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import BaseModel

    from architect_core.plugins.registry import Plugins
    from architect_core.schema.config import DatastoreConfig
    from architect_core.sources.catalog import Found

GENERIC = "generic"
_URL_SCHEME = re.compile(r"([a-z][a-z0-9.-]*)(?:\+[a-z0-9_]+)?:", re.ASCII | re.IGNORECASE)


def engine_of_image(image: str) -> str | None:
    """The engine that a container image runs.

    >>> engine_of_image("registry.example:5000/library/postgres:16-alpine")
    'postgres'
    """
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()
    return name if names.PROTOCOL.fullmatch(name) else None


def credentials_of(
    name: str, found: Found, owner: str | None, plugins: Plugins, find_root: Callable[[], Path]
) -> Credentials:
    """The credentials of the datastore `name`.

    The engine is what `type` says; else the entry's image, its URL's scheme, what its platform calls it, or the image
    in the manifest of the service `owner`. The plugin "generic" reads what tells nothing, and an engine that no plugin
    serves. A `type` that no plugin serves is an error.
    """
    config = _with_url(found.entry)
    asked_by = f"datastore {name!r}"
    engine = config.type or _guess(config) or _from_manifest(name, owner, find_root) or GENERIC
    try:
        parser = plugins.get(CredentialParser, engine, asked_by)
    except NoPluginError:
        if config.type is not None:
            raise
        engine = GENERIC
        parser = plugins.get(CredentialParser, engine, asked_by)
    if found.keep_unknown_options:
        config = _known_options(config, parser.Options)
    options = validate(parser.Options, config.options, found.where, f"{found.path}.options".removeprefix("."))
    with plugins.blamed(engine, asked_by, secrets=True):
        target = DatastoreTarget(name, engine, config, options, found.where, found.path)
        credentials: object = parser.credentials(target)
    if not isinstance(credentials, Credentials):
        raise PluginError(
            f"{asked_by}: {plugins.owner(engine)} gave a {type(credentials).__name__}, where the contract asks for "
            "Credentials"
        )
    return credentials


def _known_options(config: DatastoreConfig, options: type[BaseModel]) -> DatastoreConfig:
    """The entry with the options that the engine does not have as attributes."""
    if options.model_config.get("extra") == "allow":
        return config
    kept = {key: value for key, value in config.options.items() if key in options.model_fields}
    others = {key: value for key, value in config.options.items() if key not in kept}
    return config.model_copy(update={**others, "options": kept})


def _with_url(config: DatastoreConfig) -> DatastoreConfig:
    """A connection string that is a URL is the entry's `url`, for every engine alike."""
    text = config.get("connection_string")
    if config.url is not None or not isinstance(text, str):
        return config
    from architect_core.connection_string import URL

    if not URL.match(text):
        return config
    return config.model_copy(update={"url": text.strip(), "connection_string": None})


def _guess(config: DatastoreConfig) -> str | None:
    if config.image:
        return engine_of_image(config.image)
    url, text = config.url, config.get("connection_string")
    if url is None and isinstance(text, str):
        from architect_core.connection_string import read_connection_string

        try:
            told = read_connection_string(text)
        except ValueError:  # told by the engine's plugin, with its path
            return None
        if "type" in told:
            return str(told["type"])
        url = told.get("url")
    match = _URL_SCHEME.match(url or "")
    if match:
        return match[1].lower()
    kind = (config.kind or "").lower()
    return kind if names.PROTOCOL.fullmatch(kind) else None


def _from_manifest(name: str, service: str | None, find_root: Callable[[], Path]) -> str | None:
    try:
        folder = find_root()
    except StubError:
        return None
    if not (folder / names.MANIFEST_FILE).is_file():  # which is how many services are deployed
        return None
    from architect_core.schema.manifest import load_manifest

    manifest = load_manifest(folder)
    datastore = manifest.datastores.get(name)
    if service not in {None, manifest.name} or datastore is None:
        return None
    return datastore.type or engine_of_image(datastore.image or "")
