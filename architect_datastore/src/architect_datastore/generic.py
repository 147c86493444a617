"""Any datastore that has no plugin of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ConfigDict

from architect_core.contract import CredentialParser, Credentials, Options, hookimpl
from architect_datastore.kit.connection_string import read_connection_string
from architect_datastore.kit.entry import RESERVED, read_entry
from architect_datastore.kit.url import build_url

if TYPE_CHECKING:
    from architect_core.contract import DatastoreTarget
    from architect_core.schema import DatastoreConfig

ARCHITECT_CONTRACT = 1


class GenericOptions(Options):
    """Any: nobody here knows the engine's."""

    model_config = ConfigDict(extra="allow")


class GenericParser(CredentialParser):
    """Gives what the entry holds, and what its URL holds, without knowing the engine."""

    Options = GenericOptions

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials; `url` is None where the entry has none, because only an engine's plugin knows its scheme."""
        stated = read_entry(target)
        options = {**stated.query, **stated.options, **target.options.model_dump()}
        shown = {key: value for key, value in stated.query.items() if key not in RESERVED}
        fields = {**shown, **stated.fields, **({"options": options} if options else {})}
        if "hosts" in fields:
            fields["host"], fields["port"] = fields["hosts"][0]
        if stated.scheme is None:
            return Credentials(target.engine, fields)
        try:
            url = build_url(stated.scheme, stated.fields, options, None)
        except ValueError as problem:
            reason = str(problem)
        else:
            return Credentials(target.engine, {**fields, "url": url}, url)
        raise target.error("options", reason)

    def engine_of(self, config: DatastoreConfig) -> str | None:
        """The engine that only its connection strings have these keywords of."""
        text = config.get("connection_string")
        if not isinstance(text, str):
            return None
        try:
            return read_connection_string(text).get("type")
        except ValueError:  # raised again by the parser of the engine, with the path of the entry
            return None


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return GenericParser()
