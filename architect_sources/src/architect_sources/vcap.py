"""Cloud Foundry's `VCAP_SERVICES` (https://docs.cloudfoundry.org/devguide/deploy-apps/environment-variable.html)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from architect_core.contract import (
    PROTOCOL,
    SERVICE_NAME,
    Configuration,
    Entries,
    Source,
    as_written,
    hookimpl,
    is_text,
    read_json,
    require_object,
    scheme_of,
    showable,
)
from architect_core.exceptions import ConfigError
from architect_core.schema import DatastoreConfig, ServiceConfig, validate
from architect_core.sources.variables import VariablesSource
from architect_sources.entries import (
    RESERVED,
    is_datastore,
    is_reached_over_http,
    may_be,
    of_host,
    protocol_of,
    with_login,
    without_closed_port,
)
from architect_sources.naming import Claims, resource_names

ARCHITECT_CONTRACT = 2
VARIABLE = "VCAP_SERVICES"
_WHERE = f"the environment variable {VARIABLE}"
_NAMES = ("binding_name", "instance_name", "name")
# a field of an entry -> the keys of credentials that brokers use for it, in order of preference
_FIELDS = {
    "url": ("uri", "url"),
    "host": ("host", "hostname"),
    "port": ("port",),
    "username": ("username", "user"),
    "password": ("password", "pass"),
    "name": ("database", "dbname", "database_name", "db_name", "db", "vhost", "virtual_host", "name"),
}
# what a server has in place of a host: the access key of AWS, or a list of servers, as Cassandra and Kafka have
_OF_SERVERS = frozenset(
    {"accesskeyid", "accesskey", "awsaccesskeyid", "bootstrapservers", "brokers", "contactpoints", "endpoint"}
    | {"nodeips", "nodes", "servers", "uris", "urls"}
)
_KEYS = frozenset(key for keys in _FIELDS.values() for key in keys)


@hookimpl
def architect_source() -> Source:
    return VcapSource()


class VcapSource(VariablesSource):
    """`VCAP_SERVICES`, one JSON object: label -> bound services, each with a name and credentials.

    A bound service with a URI of http, https or grpc is a service, unless its label or a tag names an engine that is
    reached over HTTP, such as "elasticsearch"; any other is a datastore.
    """

    name: ClassVar[str] = "vcap"

    def load(self) -> Configuration:
        """Read the variable; an entry is checked when it is looked up.

        Raises:
            ConfigError: it is not JSON, not of that shape, or two bound services have one name.
        """
        text = self.variables.get(VARIABLE)
        if not text:
            return Configuration({}, None, _WHERE)
        reader = _Reader(_bound(require_object(read_json(text, _WHERE), _WHERE)))
        return Configuration(
            services=Entries(reader.listed(is_service=True), reader.service),
            current_service=None,
            where=_WHERE,
            datastores=Entries(reader.listed(is_service=False), reader.datastore),
            place_of=lambda _, name: reader.where(name),
            keys_of=lambda _, name: reader.keys(name),
        )


class _Reader:
    def __init__(self, bound: Mapping[str, _Bound]) -> None:
        self._bound = bound
        self._claims = Claims()

    def listed(self, *, is_service: bool) -> list[str]:
        found = [each for each in dict.fromkeys(self._bound.values()) if each.is_service is is_service]
        return [each.name for each in found if SERVICE_NAME.fullmatch(each.name)]

    def service(self, name: str) -> ServiceConfig | None:
        found = self._find(name, is_service=True)
        return None if found is None else found.service()

    def datastore(self, name: str) -> DatastoreConfig | None:
        found = self._find(name, is_service=False)
        return None if found is None else found.datastore()

    def where(self, name: str) -> str:
        key = self._key(name)
        return _WHERE if key is None else self._bound[key].where

    def keys(self, name: str) -> Mapping[str, str]:
        key = self._key(name)
        return {} if key is None else self._bound[key].keys

    def _find(self, name: str, *, is_service: bool) -> _Bound | None:
        key = self._key(name)
        if key is None or self._bound[key].is_service is not is_service:
            return None
        # by the key, because a bound service may have several names
        self._claims.claim(f"{VARIABLE}, {self._bound[key].path} ({key})", name)
        return self._bound[key]

    def _key(self, name: str) -> str | None:
        return next((each for each in (name, *resource_names(name)) if each in self._bound), None)


@dataclass(frozen=True, eq=False)
class _Bound:
    """A bound service.

    Attributes:
        name: the first of its names.
        path: where it is in the variable.
        fields: its credentials by the fields of an entry.
        keys: each of these fields -> its path, such as "credentials.hostname".
        kind: what it is if its URL does not say it: "redis".
    """

    name: str
    path: str
    fields: dict[str, Any] = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)
    kind: str

    @property
    def where(self) -> str:
        return f"{_WHERE}, {self.path}"

    @property
    def is_service(self) -> bool:
        return protocol_of(scheme_of(self._url)) is not None and not is_reached_over_http(self.kind)

    @property
    def _url(self) -> str:
        url = self.fields.get("url") or self.fields.get("host")
        return url if isinstance(url, str) else ""

    def service(self) -> ServiceConfig:
        login = [self.fields.get(key) for key in ("username", "password")]
        if not all(value is None or (isinstance(value, str | int) and is_text(str(value))) for value in login):
            raise ConfigError(self.where, [("credentials", "has a user name or password that is no text")])
        host = with_login(self._url, *(None if value is None else str(value) for value in login))
        kept = {key: value for key, value in self.fields.items() if key not in {"url", "username", "password", "name"}}
        entry = kept | {"host": host, "api": protocol_of(scheme_of(host))}
        return validate(ServiceConfig, entry, self.where, written=partial(as_written, keys=of_host(self.keys)))

    def datastore(self) -> DatastoreConfig:
        entry = self.fields | ({"kind": self.kind} if self.kind else {})
        return validate(DatastoreConfig, entry, self.where, written=partial(as_written, keys=self.keys))


def _bound(services: Mapping[str, Any]) -> dict[str, _Bound]:
    """Every bound service by each of its names."""
    found: dict[str, _Bound] = {}
    problems = []
    for label, instances in services.items():
        shown = label if PROTOCOL.fullmatch(label.lower()) else "<label that is no name>"
        for index, instance in enumerate(instances if isinstance(instances, list) else [None]):
            path = f"{shown}[{index}]"
            credentials = instance.get("credentials") or {} if isinstance(instance, dict) else None
            if not isinstance(credentials, dict):
                problems.append((path, "must be an object with `credentials`, which is one too"))
                continue
            fields, keys = _fields(credentials)
            own = list(dict.fromkeys(str(instance[key]) for key in _NAMES if instance.get(key)))
            for name in own:
                if name in found:
                    problems.append((path, f"has a name that {found[name].path} has too"))
                found[name] = _Bound(own[0], path, fields, keys, _kind(label, instance.get("tags"), fields))
    if problems:
        raise ConfigError(_WHERE, problems)
    return found


def _fields(credentials: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns the fields of an entry, and the path of the key that each is read from."""
    chosen = {
        field: found[0]
        for field, keys in _FIELDS.items()
        if (found := [key for key in keys if credentials.get(key) is not None])
    }
    fields = {field: credentials[key] for field, key in chosen.items()}
    if isinstance(fields.get("host"), list) and len(fields["host"]) == 1:  # as a9s has it
        fields["host"] = fields["host"][0]
    if "host" in fields and not scheme_of(str(fields.get("url", ""))):
        fields.pop("url", None)  # one for JDBC
    if "url" in fields and not any(key in credentials for key in _FIELDS["name"][:-1]):
        fields.pop("name", None)  # beside a URL, "name" is that of the bound service
    # other keys, such as "sslmode", are attributes, unless a field of an entry has the name
    reserved = {*_KEYS, *_FIELDS, *RESERVED, "type", "image", "kind", "api"}
    if "host" in fields or "url" in fields:
        reserved.add("hosts")
    entry = without_closed_port({key: value for key, value in credentials.items() if key not in reserved} | fields)
    return entry, {field: f"credentials.{showable(chosen.get(field, field))}" for field in entry}


def _kind(label: str, tags: object, fields: Mapping[str, Any]) -> str:
    """The well-known engine that a label or a tag names, else the label; empty if the URL says it."""
    stated = [each for each in tags if isinstance(each, str)] if isinstance(tags, list) else []
    words = [each.lower() for each in (label, *stated, *re.split(r"[^A-Za-z0-9]", label))]
    scheme = scheme_of(str(fields.get("url", "")))
    if scheme:
        return next((word for word in words if may_be(word, scheme)), "")
    label = words[0] if PROTOCOL.fullmatch(words[0]) else ""
    # without a host, the credentials have a shape of the engine's own
    is_server = "host" in fields or any(re.sub("[._-]", "", key).lower() in _OF_SERVERS for key in fields)
    return next((word for word in words if is_datastore(word) and is_server), label)
