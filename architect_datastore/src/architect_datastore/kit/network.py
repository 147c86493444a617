"""Credentials of the engines that listen on a host and port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from architect_core.contract import Credentials, DatastoreTarget, Driver, raising
from architect_core.schema import validate
from architect_datastore.kit.entry import RESERVED, Entry, read_entry
from architect_datastore.kit.keys import with_names_of_drivers, with_other_keys
from architect_datastore.kit.plugin import EngineParser
from architect_datastore.kit.tls_keys import TLS_TRANSPORTS, asking_for_tls, file_of_tls
from architect_datastore.kit.url import build_url

_TRANSPORTS = frozenset({"http", "ws", "wss"})


class NetworkParser(EngineParser):
    """Reads `host`, `port`, `username`, `password` and `name`, or all of them from `url` or `connection_string`.

        NetworkParser("nest", 4150, schemes={"nest": "nest"}).credentials(target).url
        'nest://app:s3cret@db:4150/eggs'

    A subclass adds `Options`, the schema of an entry's `options` and of a URL's query, and overrides the methods below.
    """

    schemes: Mapping[str, str]
    """Each scheme that URLs may have -> the one to write."""

    socket: str | None = None
    """The option that names a socket in a URL; None for an engine whose URLs have a socket as their host."""

    sockets = True
    """Whether a host may be a socket, whose path starts with "/"."""

    relative_sockets = False
    """Whether a host that ends with ".sock" is a socket, too, as MongoDB's specification has it."""

    socket_has_port = False
    """Whether sockets differ by port, as PostgreSQL's do."""

    needs_host = True
    """Whether a host is required."""

    default_host: str | None = None
    """The host of a URL without one; "" leaves it to the driver, None makes it an error."""

    several_hosts = False
    """Whether a URL may have several hosts."""

    other_protocols: ClassVar[Mapping[str, str]] = {}
    """What follows a "+" in a scheme and is no driver, but another protocol -> what to use instead."""

    other_drivers: ClassVar[tuple[str, ...]] = ()
    """What may follow a "+" in a scheme beside the names in `drivers`: "pg8000", a driver without arguments of ours."""

    keys: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """A field or an option -> other keys of an entry that mean it, in lower case, without ".", "_" and "-"."""

    has_database = True
    """Whether the name is a database, or what a server has in its place."""

    keywords: ClassVar[Mapping[str, str]] = {}
    """A keyword of .NET's connection strings that only this engine has, written likewise -> the option."""

    drivers_check_tls = False
    """Whether the drivers refuse options of TLS that the engine does not have."""

    repeats_options = False
    """Whether an option may be repeated in a URL's query."""

    repeated: frozenset[str] = frozenset()
    """The options that may be repeated even so."""

    def __init__(
        self,
        engine: str,
        default_port: int | None,
        schemes: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        *,
        drivers: Mapping[str, Driver] | None = None,
    ) -> None:
        """Create a parser.

        Args:
            engine: the `engine` of the credentials.
            default_port: the TCP port unless one is configured.
            schemes: each scheme that URLs may have -> the one to write; the first is for entries without a URL.
            aliases: options of a URL that are fields -> that field.
            drivers: a driver -> what makes its arguments, a function of a module; for `Credentials.for_driver`.
        """
        self.engine = engine
        self.default_port = default_port
        self.schemes = schemes
        self.aliases = aliases or {}
        self.drivers = drivers or {}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials, with the default port if none is given, and a URL that every driver understands."""
        has_text = target.config.url is not None or target.config.get("connection_string") is not None
        further = with_names_of_drivers(self.keys, has_database=self.has_database, needs_host=self.needs_host)
        target = with_other_keys(target, self.keys if has_text else further)
        entry = read_entry(target, self.aliases, self.keywords)
        target = target.with_keys(entry.keys)
        scheme, secure = self._scheme(entry.scheme, target)
        read = self.read_secure_options if secure or self.is_secure(scheme) else self.read_options
        options, keys = self._options(partial(read, scheme), entry, target)
        fields = entry.fields
        self.login(fields, options)
        options = self.combine_options(options, target.with_keys(keys))
        has_host = bool({"host", "hosts"} & set(fields))
        if entry.scheme is not None and self.default_host and not has_host:
            fields["host"] = self.default_host
        _set_ports(fields, self.port(scheme, options), self.is_socket, own_sockets=self.socket_has_port)
        if has_host or entry.scheme is None or self.default_host != "":
            self._check_host(fields, target, has_url=entry.scheme is not None)
        self.check(fields, target)
        drivers = self.drivers_of(scheme, target.engine)
        scheme, query = self.write_options(self.schemes[scheme], options)
        url = raising(partial(target.error, "" if entry.scheme is None else "url"), self.url, scheme, fields, query)
        shown = {key: value for key, value in query.items() if key not in RESERVED}
        own_options = {"options": options} if options or "options" in fields else {}
        return Credentials(self.engine, {**shown, **fields, **own_options, "url": url}, url, drivers)

    def drivers_of(self, *names: str) -> Mapping[str, Driver]:  # noqa: ARG002 - to override
        """Returns the drivers of an entry whose URL's scheme and engine are `names`."""
        return self.drivers

    def is_socket(self, host: str) -> bool:
        """Returns whether a host is the path of a socket."""
        return host.startswith("/") or (self.relative_sockets and host.endswith(".sock"))

    def login(self, fields: dict[str, Any], options: dict[str, Any]) -> None:
        """Moves parts of the login to where the engine has them: the user of a URL may be a token, which is secret."""

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the engine does not support these fields; may set defaults."""

    def combine_options(
        self,
        options: dict[str, Any],
        target: DatastoreTarget,  # noqa: ARG002 - to override
    ) -> dict[str, Any]:
        """Returns the options with those that follow from them; raises `target.error` if they contradict each other."""
        return options

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns the TCP port unless one is configured."""
        return self.default_port

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - to override
        """Returns the options of a URL's scheme and query, by the names of `Options`; others keep their names.

        Raises:
            ValueError: they are invalid; the message must repeat no value.
        """
        return dict(query)

    def is_secure(self, scheme: str) -> bool:  # noqa: ARG002 - to override
        """Returns whether a scheme asks for TLS, as "rediss" does."""
        return False

    def read_secure_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - likewise
        """Returns the options of a URL whose scheme asks for TLS, as "rediss" and "redis+tls" do.

        Raises:
            ValueError: they are invalid, ask for no TLS, or the engine has none; the message must repeat no value.
        """
        raise ValueError("asks for TLS in its scheme, which the plugin of the engine does not read")

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - likewise
        """Returns the options that an entry's own keys mean, beside its `options`; `options` are those of its URL.

        Raises:
            ValueError: they are invalid, or ask for TLS and the engine has none; the message must repeat no value.
        """
        key = asking_for_tls(keys)
        if key is not None:
            raise ValueError(f"asks for TLS with `{key}`, which the plugin of the engine does not read")
        return {}

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Returns the scheme and the query that `read_options` reads as `options`."""
        return scheme, dict(options)

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns the URL; raises ValueError if it cannot express the fields."""
        return build_url(scheme, fields, query, self.socket)

    def _scheme(self, scheme: str | None, target: DatastoreTarget) -> tuple[str, bool]:
        """Returns the scheme without a driver, and whether TLS follows its "+"; what does is never ignored."""
        if scheme is None:
            return (target.engine if target.engine in self.schemes else next(iter(self.schemes))), False
        if scheme in self.schemes:
            return scheme, False
        base, _, driver = scheme.partition("+")
        if driver in self.other_protocols:
            raise target.error("url", f"has a scheme with +{driver}: {self.other_protocols[driver]}")
        if base not in self.schemes:
            known = ", ".join(self.schemes)
            raise target.error("url", f"has a scheme that is not of {target.engine}; known: {known}")
        if driver in TLS_TRANSPORTS:
            return base, True
        if driver in _TRANSPORTS and driver in self.schemes:
            return driver, False
        drivers = sorted({each.removeprefix("sqlalchemy+") for each in (*self.drivers, *self.other_drivers)})
        if driver.replace("_", "-") not in {each.replace("_", "-") for each in drivers}:
            known = ", ".join((*drivers, *TLS_TRANSPORTS))
            raise target.error("url", f"has a scheme with a '+' and no driver of {target.engine}; known: {known}")
        return base, False

    def _options(
        self, read: Callable[[dict[str, Any]], dict[str, Any]], entry: Entry, target: DatastoreTarget
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Merges the options of the URL, the connection string, the entry's keys and its `options`, in that order.

        Returns:
            The options, and the keys that they were read from, for `DatastoreTarget.with_keys`.
        """
        found = raising(partial(target.error, "url"), read, entry.query)
        keys = _origins(read, entry.query, "url")
        if not self.repeats_options and any(isinstance(found[key], list) for key in found.keys() - self.repeated):
            raise target.error("url", "has an option twice")
        if str(found.get("connect_timeout")) in {"0", "0.0"}:  # no limit, which is the default
            del found["connect_timeout"]
        self._check_tls(found, target)
        known = {key: found[key] for key in found if key in self.Options.model_fields}
        found |= self._checked(known, target.with_keys(keys))
        found |= self._checked(entry.options, target)
        keys |= {path: key for path, key in entry.keys.items() if path.startswith("options.")}
        of_keys = raising(partial(target.error, ""), self.read_keys, entry.fields, found)
        if of_keys:
            keys |= _origins(partial(self.read_keys, options=found), entry.fields, "")
            found |= self._checked(of_keys, target.with_keys(keys))
        stated = target.options.model_dump(exclude_unset=True, exclude_none=True)
        return {**found, **stated}, {path: key for path, key in keys.items() if path[len("options.") :] not in stated}

    def _check_tls(self, options: Mapping[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if an option of a URL asks for TLS, and its driver would ignore it."""
        unknown = {key: value for key, value in options.items() if key not in self.Options.model_fields}
        key = None if self.drivers_check_tls else asking_for_tls(unknown) or file_of_tls(unknown)
        if key is not None and options.get("sslmode") not in {"require", "verify-ca", "verify-full"}:
            remedy = "write sslmode=verify-full" if "sslmode" in self.Options.model_fields else "remove it"
            raise target.error(f"url.{key}", f"asks for TLS in a way that {self.engine} does not have; {remedy}")

    def _checked(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        checked = validate(self.Options, options, target.where, "options", written=target.path_of)
        return checked.model_dump(exclude_unset=True)

    def _check_host(self, fields: dict[str, Any], target: DatastoreTarget, *, has_url: bool) -> None:
        if "hosts" in fields and not self.several_hosts:
            raise target.error("hosts", f"names several hosts, and the drivers of {self.engine} take one; give one")
        if "host" in fields:
            if "/" in fields["host"].lstrip("/") and not self.is_socket(fields["host"]):
                raise target.error("host", "the host has a '/', and is no socket's path, which starts with one")
            if fields["host"].startswith("/") and not self.sockets:
                raise target.error("host", "the host must be a name or an address, not the path of a socket")
        elif self.needs_host and has_url:
            raise target.error("url", "names no host")
        elif self.needs_host:
            raise target.error("host", "is missing, and no URL names one")
        elif "port" in fields:
            raise target.error("port", "is set without `host`")


def _origins(read: Callable[[dict[str, Any]], dict[str, Any]], values: Mapping[str, Any], path: str) -> dict[str, str]:
    """Returns "options." and each option that `read` returns -> the path of the value that it is read from."""
    if not values:
        return {}

    def options_in(values: dict[str, Any]) -> dict[str, Any]:
        try:
            return read(values)
        except ValueError:  # it is right beside others only
            return {}

    always, found = options_in({}), {}
    for key, value in values.items():
        options = options_in({key: value})
        changed = [option for option in options if option not in always or options[option] != always[option]]
        found.update(dict.fromkeys(changed, key))
    return {f"options.{option}": f"{path}.{key}".removeprefix(".") for option, key in found.items()}


def _set_ports(
    fields: dict[str, Any], port: int | None, is_socket: Callable[[str], bool], *, own_sockets: bool
) -> None:
    """Sets the default port of every host, and the first of several as `host` and `port`."""
    of_sockets = port if own_sockets else None
    if "hosts" in fields:
        fields["hosts"] = [(host, own or (of_sockets if is_socket(host) else port)) for host, own in fields["hosts"]]
        fields["host"], fields["port"] = fields["hosts"][0]
    elif "host" not in fields:
        return
    if is_socket(fields["host"]) and not own_sockets:
        fields.pop("port", None)
    elif port is not None:
        fields.setdefault("port", port)
