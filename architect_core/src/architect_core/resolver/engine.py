"""Which engine a datastore is, and its credentials from that engine's plugin."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from architect_core._base import names
from architect_core._base.address import scheme_of
from architect_core._base.json_text import as_written
from architect_core.contract import CredentialParser, Credentials, DatastoreTarget
from architect_core.exceptions import NoPluginError, PluginError, StubError
from architect_core.plugins import Plugins
from architect_core.schema import DatastoreConfig, validate
from architect_core.sources.catalog import Found

GENERIC = "generic"
_TRANSPORTS = frozenset({None, "http", "https", "tcp", "tls", "ssl", "ws", "wss"})  # schemes that name no engine
_URL_SCHEME = re.compile(r"([a-z][a-z0-9.-]*)(?:\+[a-z0-9+._-]+)?:", re.ASCII | re.IGNORECASE)


def engine_of_image(image: str) -> str | None:
    """The engine that a container image runs.

    >>> engine_of_image("registry.example:5000/library/postgres:16-alpine")
    'postgres'
    """
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()
    return name if names.PROTOCOL.fullmatch(name) else None


def scheme_of_url(url: str | None) -> str | None:
    """Returns the scheme of a URL in lower case, without a driver ("postgresql+asyncpg"), or None if it has none."""
    scheme = _URL_SCHEME.match(url or "")
    return scheme and scheme[1].lower()


def credentials_of(
    name: str, found: Found, owner: str | None, plugins: Plugins, find_root: Callable[[], Path]
) -> Credentials:
    """Returns the credentials of the datastore `name`.

    The engine is the entry's `type`; else that of its image, the scheme of its URL, what the plugin "generic"
    recognises in it, its platform's name for it, or the image in the manifest of the service `owner`. The plugin
    "generic" also reads an entry whose engine is unknown or has no plugin.
    """
    config = _with_url(found.entry)
    keys = found.keys
    if config.url is not None and found.entry.url is None:
        keys = {**keys, "url": as_written("connection_string", keys)}
    asked_by = f"datastore {name!r}"
    engine, parser = _parser(config, partial(_from_manifest, name, owner, find_root), plugins, asked_by)
    if found.keep_unknown_options:
        config = _known_options(config, parser.Options)
    target = DatastoreTarget(name, engine, config, None, found.where, found.path, keys)
    options = validate(parser.Options, config.options, found.where, "options", written=target.path_of)
    with plugins.blamed(engine, asked_by, secrets=True):
        credentials: object = parser.credentials(replace(target, options=options))
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
    """A connection string that is a URL is the entry's `url`, for every engine alike; a URL has no white space."""
    if config.url is not None:
        return config.model_copy(update={"url": config.url.strip()}) if config.url != config.url.strip() else config
    text = config.get("connection_string")
    if not isinstance(text, str) or not scheme_of(text.strip()):
        return config
    return config.model_copy(update={"url": text.strip(), "connection_string": None})


def _parser(
    config: DatastoreConfig, from_manifest: Callable[[], str | None], plugins: Plugins, asked_by: str
) -> tuple[str, CredentialParser]:
    """Returns the engine and its parser; those of the plugin "generic" if no plugin serves an engine without `type`."""
    if config.type is not None:
        return config.type, plugins.get(CredentialParser, config.type, asked_by)
    engine = _engine_of(config, plugins, asked_by) or from_manifest()
    if engine is None:
        return GENERIC, plugins.get(CredentialParser, GENERIC, f"{asked_by}, whose entry names no engine")
    try:
        return engine, plugins.get(CredentialParser, engine, asked_by)
    except NoPluginError:
        if GENERIC not in plugins.names():
            raise
    return GENERIC, plugins.get(CredentialParser, GENERIC, asked_by)


def _engine_of(config: DatastoreConfig, plugins: Plugins, asked_by: str) -> str | None:
    """Returns the engine that an entry without `type` names, or None."""
    engine = engine_of_image(config.image) if config.image else scheme_of_url(config.url)
    if engine is None and config.model_extra:
        try:
            parser = plugins.get(CredentialParser, GENERIC, asked_by)
        except PluginError:
            pass  # raised again if nothing else names the engine
        else:
            with plugins.blamed(GENERIC, asked_by, secrets=True):
                engine = parser.engine_of(config)
    kind = (config.kind or "").lower()
    if not names.PROTOCOL.fullmatch(kind):
        return engine
    if engine in _TRANSPORTS or (config.image is None and _reads(kind, engine, plugins, asked_by)):
        return kind
    return engine


def _reads(engine: str, scheme: str | None, plugins: Plugins, asked_by: str) -> bool:
    """Returns whether an engine reads URLs with a scheme, as CockroachDB reads "postgresql"."""
    try:
        parser = plugins.find(CredentialParser, engine, asked_by) if engine in plugins.names() else None
    except PluginError:  # the engine of the scheme may be sound
        return False
    return parser is not None and scheme in parser.schemes


def _from_manifest(name: str, service: str | None, find_root: Callable[[], Path]) -> str | None:
    with suppress(StubError):
        folder = find_root()
        if (folder / names.MANIFEST_FILE).is_file():  # many services are deployed without
            from architect_core.schema.manifest import load_manifest

            manifest = load_manifest(folder)
            datastore = manifest.datastores.get(name)
            if datastore is not None and service in {None, manifest.name}:
                return datastore.type or engine_of_image(datastore.image or "")
    return None
