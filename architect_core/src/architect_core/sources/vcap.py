"""Cloud Foundry's `VCAP_SERVICES` (https://docs.cloudfoundry.org/devguide/deploy-apps/environment-variable.html)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core._base import names
from architect_core._base.json_text import is_text, read_json, require_object
from architect_core.contract.source import Configuration, Entries, Source
from architect_core.exceptions import ConfigError
from architect_core.sources.entries import (
    checked_datastore,
    checked_service,
    is_datastore,
    protocol_of,
    scheme_of,
    with_login,
)
from architect_core.sources.naming import Claims, resource_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.schema.config import DatastoreConfig, ServiceConfig

VARIABLE = "VCAP_SERVICES"
_WHERE = f"the environment variable {VARIABLE}"
_NAMES = ("binding_name", "instance_name", "name")
# keys of credentials, which every broker chooses -> ours; the first that is there is taken
_FIELDS = {
    "url": ("uri", "url"),
    "host": ("host", "hostname"),
    "port": ("port",),
    "username": ("username", "user"),
    "password": ("password", "pass"),
    "name": ("database", "dbname", "vhost", "virtual_host", "name"),
}


@dataclass(frozen=True)
class VcapSource(Source):
    """`VCAP_SERVICES`, one JSON object: label -> bound services, each with a name and credentials.

    A bound service whose URI is http, https or grpc is a service; any other is a datastore.

    Attributes:
        environ: where it is looked up; the process's environment unless given.
    """

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """Read it.

        Raises:
            ConfigError: it is not JSON, not of that shape, or binds two services by one name.
        """
        environ = os.environ if self.environ is None else self.environ
        text = environ.get(VARIABLE)
        if not text:
            return Configuration({}, None, _WHERE)
        bound = _bound(require_object(read_json(text, _WHERE), _WHERE))
        listed = [each for each in dict.fromkeys(bound.values()) if names.SERVICE_NAME.fullmatch(each.name)]
        claims = Claims()

        def asked(name: str, *, is_service: bool) -> _Bound | None:
            own = _alias(name, bound)
            if own is None or bound[own].is_service is not is_service:
                return None
            claims.claim(f"{VARIABLE}, {bound[own].path} ({own})", name)  # it may have several names of its own
            return bound[own]

        def service(name: str) -> ServiceConfig | None:
            found = asked(name, is_service=True)
            return None if found is None else found.service()

        def datastore(name: str) -> DatastoreConfig | None:
            found = asked(name, is_service=False)
            return None if found is None else found.datastore()

        def place(_: str, name: str) -> str:
            own = _alias(name, bound)
            return _WHERE if own is None else bound[own].where

        return Configuration(
            services=Entries([each.name for each in listed if each.is_service], service),
            current_service=None,
            where=_WHERE,
            datastores=Entries([each.name for each in listed if not each.is_service], datastore),
            place_of=place,
        )


def _alias(name: str, bound: Mapping[str, object]) -> str | None:
    return next((each for each in (name, *resource_names(name)) if each in bound), None)


@dataclass(frozen=True, eq=False)
class _Bound:
    """A bound service: the first of its names, its place, its credentials by our keys, and what kind it is."""

    name: str
    path: str
    fields: dict[str, Any] = field(repr=False)
    kind: str

    @property
    def where(self) -> str:
        return f"{_WHERE}, {self.path}"

    @property
    def is_service(self) -> bool:
        return protocol_of(scheme_of(self._url)) is not None

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
        return checked_service(kept | {"host": host, "api": protocol_of(scheme_of(host))}, self.where)

    def datastore(self) -> DatastoreConfig:
        return checked_datastore(self.fields | ({"kind": self.kind} if self.kind else {}), self.where)


def _bound(services: Mapping[str, Any]) -> dict[str, _Bound]:
    """Every bound service by each of its names."""
    found: dict[str, _Bound] = {}
    problems = []
    for label, instances in services.items():
        for place, instance in enumerate(instances if isinstance(instances, list) else [None]):
            path = f"{names_only(label)}[{place}]"
            credentials = instance.get("credentials") or {} if isinstance(instance, dict) else None
            if not isinstance(credentials, dict):
                problems.append((path, "must be an object with `credentials`, which is one too"))
                continue
            fields = _fields(credentials)
            own = list(dict.fromkeys(str(instance[key]) for key in _NAMES if instance.get(key)))
            for name in own:
                if name in found:
                    problems.append((path, f"has a name that {found[name].path} has too"))
                found[name] = _Bound(own[0], path, fields, _kind(label, instance.get("tags"), fields))
    if problems:
        raise ConfigError(_WHERE, problems)
    return found


def names_only(label: str) -> str:
    """A label if it looks like a name."""
    return label if names.PROTOCOL.fullmatch(label.lower()) else "<label that is no name>"


def _fields(credentials: Mapping[str, Any]) -> dict[str, Any]:
    known = {key for keys in _FIELDS.values() for key in keys}
    fields = {
        field: next(credentials[key] for key in keys if credentials.get(key) is not None)
        for field, keys in _FIELDS.items()
        if any(credentials.get(key) is not None for key in keys)
    }
    if "host" in fields and not scheme_of(str(fields.get("url", ""))):
        fields.pop("url", None)  # one for JDBC
    if "url" in fields and not any(key in credentials for key in _FIELDS["name"][:-1]):
        fields.pop("name", None)  # the name of the service that was bound, which the platform's documentation has there
    # others under their own keys, such as "sslmode"; not what would be taken for a part of our schema
    reserved = {*_FIELDS, "type", "image", "kind", "options", "api", "instances", "datastores", "subscriptions"}
    if "host" in fields or "url" in fields:
        reserved.add("hosts")
    return {key: value for key, value in credentials.items() if key not in known | reserved} | fields


def _kind(label: str, tags: object, fields: Mapping[str, Any]) -> str:
    """What a bound service is: the well-known engine that its label or a tag names, else the label."""
    if scheme_of(str(fields.get("url", ""))):
        return ""  # which the URL tells
    stated = [each for each in tags if isinstance(each, str)] if isinstance(tags, list) else []
    words = [each.lower() for each in (label, *stated, *re.split(r"[^A-Za-z0-9]", label))]
    label = words[0] if names.PROTOCOL.fullmatch(words[0]) else ""
    # without a host it is an engine's in a shape of its own
    return next((word for word in words if is_datastore(word) and "host" in fields), label)
