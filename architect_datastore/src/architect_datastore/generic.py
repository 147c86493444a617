"""Any datastore whose engine has no plugin of its own."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from pydantic import ConfigDict

from architect_core.contract import Credentials, DatastoreTarget, Options, raising
from architect_core.schema import DatastoreConfig
from architect_datastore.kit.connection_string import read_connection_string
from architect_datastore.kit.entry import RESERVED, read_entry
from architect_datastore.kit.plugin import EngineParser
from architect_datastore.kit.url import build_url


class GenericOptions(Options):
    """Any options: the engine is unknown."""

    model_config = ConfigDict(extra="allow")


class GenericParser(EngineParser):
    """Returns what the entry and its URL hold, without knowledge of the engine."""

    Options = GenericOptions

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; `url` is None if the entry has none, as only an engine's plugin knows its scheme."""
        entry = read_entry(target)
        target = target.with_keys(entry.keys)
        options = {**entry.query, **entry.options, **target.options.model_dump()}
        shown = {key: value for key, value in entry.query.items() if key not in RESERVED}
        fields = {**shown, **entry.fields, **({"options": options} if options else {})}
        if "hosts" in fields:
            fields["host"], fields["port"] = fields["hosts"][0]
        if entry.scheme is None:
            return Credentials(target.engine, fields)
        error = partial(target.error, "options")
        # a path of several segments keeps them: only the engine knows whether all of it is a name
        path = entry.path if target.config.name is None else quote(target.config.name, safe="/")
        url = raising(error, build_url, entry.scheme, entry.fields, options, None, "", path)
        return Credentials(target.engine, {**fields, "url": url}, url)

    def engine_of(self, config: DatastoreConfig) -> str | None:
        """Returns the engine that the keywords of the entry's connection string identify, or None."""
        text = config.get("connection_string")
        if not isinstance(text, str):
            return None
        try:
            return read_connection_string(text, strict=False).get("type")
        except ValueError:  # raised again by the parser that reads the entry
            return None


PARSER = GenericParser()
