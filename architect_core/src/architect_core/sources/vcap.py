"""Cloud Foundry's `VCAP_SERVICES` (https://docs.cloudfoundry.org/devguide/deploy-apps/environment-variable.html)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core import names
from architect_core.exceptions import ConfigError
from architect_core.sources.entries import checked_datastore, checked_service, protocol_of, scheme_of, with_login
from architect_core.sources.naming import Claims, resource_names
from architect_core.sources.source import Configuration, Entries, Source
from architect_core.validation import is_text, read_json, require_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.config import DatastoreConfig, ServiceConfig

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
    "name": ("database", "dbname", "name"),
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
        listed = [name for name in bound if names.SERVICE_NAME.fullmatch(name)]

        claims = Claims()

        def find(name: str) -> tuple[str, dict[str, Any], str] | None:
            found = next((bound[each] for each in (name, *resource_names(name)) if each in bound), None)
            if found is not None:
                claims.claim(f"{VARIABLE}, {found[0]}", name)
            return found

        def service(name: str) -> ServiceConfig | None:
            found = find(name)
            if found is None or not _is_service(found[1]):
                return None
            path, fields, _ = found
            host = fields.get("url") or fields["host"]
            login = [fields.get(key) for key in ("username", "password")]
            if not all(value is None or (isinstance(value, str | int) and is_text(str(value))) for value in login):
                raise ConfigError(f"{_WHERE}, {path}", [("credentials", "has a user name or password that is no text")])
            entry = {**fields, "host": with_login(host, *(None if value is None else str(value) for value in login))}
            kept = {key: value for key, value in entry.items() if key not in {"url", "username", "password", "name"}}
            return checked_service(kept | {"api": protocol_of(scheme_of(host))}, f"{_WHERE}, {path}")

        def datastore(name: str) -> DatastoreConfig | None:
            found = find(name)
            if found is None or _is_service(found[1]):
                return None
            path, fields, kind = found
            return checked_datastore({**fields, "kind": kind} if kind else fields, f"{_WHERE}, {path}")

        return Configuration(
            services=Entries([name for name in listed if _is_service(bound[name][1])], service),
            current_service=None,
            where=_WHERE,
            datastores=Entries([name for name in listed if not _is_service(bound[name][1])], datastore),
            place_of=lambda _, name: f"{_WHERE}, {(find(name) or ('',))[0]}",
        )


def _bound(services: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any], str]]:
    """Every bound service by each of its names: its path, its fields, and what kind it is."""
    found: dict[str, tuple[str, dict[str, Any], str]] = {}
    problems = []
    for label, instances in services.items():
        for place, instance in enumerate(instances if isinstance(instances, list) else [None]):
            path = f"{names_only(label)}[{place}]"
            if not isinstance(instance, dict) or not isinstance(instance.get("credentials", {}), dict):
                problems.append((path, "must be an object with `credentials`, which is one too"))
                continue
            fields = _fields(instance.get("credentials", {}))
            for name in dict.fromkeys(str(instance[key]) for key in _NAMES if instance.get(key)):
                if name in found:
                    problems.append((path, f"has a name that {found[name][0]} has too"))
                found[name] = (path, fields, _kind(label, fields))
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
    # others under their own keys, such as "sslmode"; not what would be taken for a part of our schema
    reserved = {*_FIELDS, "type", "image", "kind", "options", "api", "instances", "datastores", "subscriptions"}
    return {key: value for key, value in credentials.items() if key not in known | reserved} | fields


def _is_service(fields: Mapping[str, Any]) -> bool:
    url = fields.get("url") or fields.get("host")
    return isinstance(url, str) and protocol_of(scheme_of(url)) is not None


def _kind(label: str, fields: Mapping[str, Any]) -> str:
    if isinstance(fields.get("url"), str) and scheme_of(fields["url"]):
        return ""  # which the URL tells
    word = label.lower()
    return word if names.PROTOCOL.fullmatch(word) else ""
