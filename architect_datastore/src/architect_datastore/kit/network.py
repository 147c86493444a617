"""Credentials of the engines that listen on a host and port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from architect_core.contract import CredentialParser, Credentials
from architect_core.schema import validate
from architect_datastore.kit.entry import RESERVED, read_entry
from architect_datastore.kit.url import build_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import DatastoreTarget, Driver
    from architect_datastore.kit.entry import Stated


class NetworkParser(CredentialParser):
    """Reads `host`, `port`, `username`, `password` and `name`, or all of them from `url` or `connection_string`.

        NetworkParser("nest", 4150, schemes={"nest": "nest"}).credentials(target).url
        'nest://app:s3cret@db:4150/eggs'

    A subclass says more with `Options`, the schema of what an entry's `options` and a URL's query may state, and with
    the methods below.
    """

    socket: str | None = None
    """The option that names a socket in a URL; None for an engine whose URLs have it in the host's place."""

    sockets = True
    """Whether a host may be a socket, whose path starts with "/"."""

    socket_has_port = False
    """Whether a port tells one socket from another, as it does for PostgreSQL."""

    needs_host = True
    """Whether there is no such datastore without a host."""

    several_hosts = False
    """Whether a URL may name several hosts."""

    other_protocols: ClassVar[Mapping[str, str]] = {}
    """What follows a "+" in a scheme and is no driver, but another protocol -> what to give instead."""

    repeats_options = False
    """Whether a URL's query may state an option more than once."""

    def __init__(
        self,
        engine: str,
        default_port: int | None,
        schemes: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        *,
        drivers: Mapping[str, Driver] | None = None,
    ) -> None:
        """Make a parser.

        Args:
            engine: what the credentials call it.
            default_port: where it listens unless stated.
            schemes: each scheme that its URLs may have -> the one to write; the first is used where no URL is given.
            aliases: options of a URL that state a field -> that field.
            drivers: what `Credentials.for_driver` gives, by driver; functions of a module.
        """
        self.engine = engine
        self.default_port = default_port
        self.schemes = schemes
        self.aliases = aliases or {}
        self.drivers = drivers or {}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """The credentials, with the default port where none is given and a URL that every driver understands."""
        stated = read_entry(target, self.aliases)
        scheme = self._scheme(stated.scheme, target)
        options = self.settle(self._options(scheme, stated, target), target)
        fields = stated.fields
        self._place(fields, self.port(scheme, options), target)
        self.check(fields, target)
        scheme, query = self.write_options(self.schemes[scheme], options)
        url = self._built(scheme, fields, query, target)
        shown = {key: value for key, value in query.items() if key not in RESERVED}
        stated_options = {"options": options} if options or "options" in fields else {}
        return Credentials(self.engine, {**shown, **fields, **stated_options, "url": url}, url, self.drivers)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raise `target.error` for what this engine does not take."""

    def settle(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:  # noqa: ARG002 - to override
        """What all the options together mean; raise `target.error` for what they cannot mean."""
        return options

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Where it listens unless stated."""
        return self.default_port

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - to override
        """What the scheme and the query of a URL state, by the names of `Options`; others are kept as they are.

        Raises:
            ValueError: it means nothing; the reason must repeat no value.
        """
        return dict(query)

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - likewise
        """The options that keys of the entry state, beside its `options`; `options` are those of its URL.

        Raises:
            ValueError: they mean nothing; the reason must repeat no value.
        """
        return {}

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The scheme and the query of a URL that states `options`; what `read_options` reads."""
        return scheme, dict(options)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """The URL that says it all."""
        return build_url(scheme, fields, query, self.socket)

    def _scheme(self, stated: str | None, target: DatastoreTarget) -> str:
        if stated is None:
            return target.engine if target.engine in self.schemes else next(iter(self.schemes))
        base, _, driver = stated.partition("+")
        if driver in self.other_protocols:
            raise target.error("url", f"has a scheme with +{driver}: {self.other_protocols[driver]}")
        for scheme in (stated, base):
            if scheme in self.schemes:
                return scheme
        known = ", ".join(self.schemes)
        raise target.error("url", f"has a scheme that is not of {target.engine}; known: {known}")

    def _options(self, scheme: str, stated: Stated, target: DatastoreTarget) -> dict[str, Any]:
        try:
            found = self.read_options(scheme, stated.query)
            reason = ""
        except ValueError as problem:
            found, reason = {}, str(problem)
        if not self.repeats_options and any(isinstance(value, list) for value in found.values()):
            reason = "states an option twice"
        if reason:
            raise target.error("url", reason)
        if str(found.get("connect_timeout")) in {"0", "0.0"}:  # which means no limit, as does none
            del found["connect_timeout"]
        known = {key: value for key, value in found.items() if key in self.Options.model_fields}
        for source, options in (("url", known), ("connection_string", stated.options)):
            checked = validate(self.Options, options, target.where, f"{target.path}.{source}")
            found |= checked.model_dump(exclude_unset=True)
        try:
            beside = self.read_keys(stated.fields, found)
        except ValueError as problem:
            beside, reason = {}, str(problem)
        if reason:
            raise target.error("", reason)
        found |= validate(self.Options, beside, target.where, target.path).model_dump(exclude_unset=True)
        return {**found, **target.options.model_dump(exclude_unset=True, exclude_none=True)}

    def _place(self, fields: dict[str, Any], port: int | None, target: DatastoreTarget) -> None:
        if "hosts" in fields:
            if not self.several_hosts:
                raise target.error("url", "the URL names several hosts; give one")
            sockets_too = port if self.socket_has_port else None
            fields["hosts"] = [
                (host, own or (sockets_too if host.startswith("/") else port)) for host, own in fields["hosts"]
            ]
            fields["host"], fields["port"] = fields["hosts"][0]
        if "host" not in fields and self.needs_host:
            raise target.error("host", "is missing, and there is no `url` that names one")
        host = fields.get("host", "/")
        if "host" in fields and host.startswith("/") and not self.sockets:
            raise target.error("host", "must be a host's name or address, not the path of a socket")
        if "port" in fields and "host" not in fields and not self.needs_host:
            raise target.error("port", "is there without `host`")
        if not self.socket_has_port and host.startswith("/"):
            fields.pop("port", None)
        elif port is not None:
            fields.setdefault("port", port)

    def _built(self, scheme: str, fields: dict[str, Any], query: dict[str, Any], target: DatastoreTarget) -> str:
        try:
            return self.url(scheme, fields, query)
        except ValueError as problem:
            reason = str(problem)
        raise target.error("", reason)
