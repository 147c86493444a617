"""Credentials of the engines that listen on a host and port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.contract import CredentialParser
from architect_core.datastore import Credentials
from architect_core.datastore_url import build_url, merge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import DatastoreTarget


class NetworkParser(CredentialParser):
    """Reads `host`, `port`, `username`, `password` and `name`, or all of them from `url`."""

    def __init__(
        self, engine: str, default_port: int, schemes: Mapping[str, str], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Make a parser.

        Args:
            engine: what the credentials call it.
            default_port: where it listens unless stated.
            schemes: each scheme that its URLs may have -> the one to write; the first is used where no URL is given.
            aliases: options of a URL that state a field -> that field.
        """
        self.engine = engine
        self.default_port = default_port
        self.schemes = schemes
        self.aliases = aliases or {}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials, with the default port where none is given and a URL that every driver understands."""
        fields, options, scheme = merge(target, self.aliases)
        if scheme is None:
            scheme = target.engine if target.engine in self.schemes else next(iter(self.schemes))
        if scheme not in self.schemes:
            known = ", ".join(self.schemes)
            raise target.error("url", f"has a scheme that is not of {target.engine}; known: {known}")
        if "host" not in fields:
            raise target.error("host", "is missing, and there is no `url` that names one")
        fields.setdefault("port", self.default_port)
        self.check(fields, target)
        url = build_url(self.schemes[scheme], fields, options)
        return Credentials(self.engine, {**fields, "url": url}, url)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raise `target.error` for what this engine does not take."""
