"""The pydantic schemas of what the environment holds: services, instances, datastores and subscriptions."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from architect_core._base.json_text import require_object, showable
from architect_core.schema.fields import (
    AnyEventName,
    HeaderName,
    HeaderValue,
    Host,
    Port,
    Protocol,
    ServiceName,
    Text,
    Uri,
)
from architect_core.schema.mapping import MappingAccess
from architect_core.schema.validation import validate_all


class _Masked:
    """Shown in a repr instead of a value."""

    def __repr__(self) -> str:
        return "***"


class Config(MappingAccess, BaseModel):
    """Base of the entries: unknown keys are kept, and a repr shows no values."""

    # deferred: the schema of all is built once, with the first configuration
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)

    # what a repr shows; everything else may be a secret
    _SHOWN: ClassVar = frozenset({"port", "api", "type"})

    def __repr_args__(self) -> list[tuple[str, object]]:
        # used by repr, str, rich and devtools; a key that does not look like a name may be a misplaced secret
        return [(showable(key), value if key in self._SHOWN else _Masked()) for key, value in self.items()]


class Instance(Config):
    """A host and port.

    Attributes:
        host: a host name or address, with or without a scheme, user information and base path.
        port: 1 to 65535, given as a number or as text.
    """

    host: Host | None = None
    port: Port | None = None


class ServiceInstance(Instance):
    """One of several instances of a service.

    Attributes:
        weight: 1 to 65535: its share of the calls, relative to the others' weights; gRPC uses round robin anyway.
    """

    weight: Annotated[int, Field(ge=1, le=65_535)] = 1


class SubscriptionConfig(Config):
    """How one event is delivered to one subscriber.

    Attributes:
        uri: the path that the event is posted to; empty or starting with "/".
        headers: sent with every event.
    """

    uri: Uri = "/"
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)


class DatastoreConfig(Instance):
    """One datastore, as configured; `architect.datastore(name)` returns its credentials.

    Attributes:
        type: the engine, such as "postgres"; if absent, `url` or the manifest's image determines it.
        image: the container image it runs from, such as "postgres:16".
        url: one URL instead of the fields.
        username: the user name.
        password: in plain text, because drivers need it.
        name: the database.
        options: options of the engine's plugin, checked by that plugin.
        kind: what a platform calls it, such as "postgresql"; unlike `type`, it may be unknown to every plugin.
    """

    type: Protocol | None = None
    image: str | None = None
    url: str | None = None
    username: Text | None = None
    password: Text | None = None
    name: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    kind: str | None = None


class ServiceConfig(Instance):
    """One entry of `ARCHITECT`.

    Attributes:
        api: the protocol it serves, such as "rest"; None for a script that serves nothing.
        subscriptions: event -> subscriber -> how it is delivered; on the running service's own entry.
        datastores: name -> datastore; likewise.
        options: options of the protocol's plugin, checked by that plugin.
        instances: all instances, if there are several; `host` and `port` are the first's unless stated.
    """

    api: Protocol | None = None
    subscriptions: dict[AnyEventName, dict[ServiceName, SubscriptionConfig]] = Field(default_factory=dict)
    datastores: dict[ServiceName, DatastoreConfig] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    instances: list[ServiceInstance] = Field(default_factory=list)

    @model_validator(mode="after")
    def _reachable(self) -> ServiceConfig:
        if self.host is None and self.instances and self.instances[0].host is not None:
            self._take("host", self.instances[0].host)
            if self.port is None and self.instances[0].port is not None:
                self._take("port", self.instances[0].port)
        if self.api is not None and self.host is None:
            raise ValueError("has an api and no host")
        return self

    def _take(self, name: str, value: object) -> None:
        # frozen for everybody else
        object.__setattr__(self, name, value)
        self.model_fields_set.add(name)


@lru_cache(maxsize=1)
def _services_adapter() -> TypeAdapter[dict[str, ServiceConfig]]:
    return TypeAdapter(dict[ServiceName, ServiceConfig])


def parse_services(data: object, where: str) -> dict[str, ServiceConfig]:
    """Check a whole configuration: service name -> entry.

    >>> parse_services({"acme/billing": {"host": "http://billing", "port": "8080", "api": "rest"}}, "example")
    {'acme/billing': ServiceConfig(host=***, port=8080, api='rest')}

    Raises:
        ConfigError: with the path of every wrong field, never with its value.
    """
    services: dict[str, ServiceConfig] = validate_all(_services_adapter(), require_object(data, where), where)
    return services
