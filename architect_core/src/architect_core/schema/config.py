"""The schemas of the entries of `ARCHITECT`: services, instances, datastores and subscriptions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from architect_core._base.json_text import require_object
from architect_core.schema import fields
from architect_core.schema.base import Config, validate

if TYPE_CHECKING:
    from pydantic import RootModel


class Instance(Config):
    """A host, with or without a scheme, user information and base path, and a port, as a number or as text."""

    host: fields.Host | None = None
    port: fields.Port | None = None


class ServiceInstance(Instance):
    """One of several instances of a service; `weight` is its share of the calls, 1 to 65535, which gRPC ignores."""

    weight: Annotated[int, Field(ge=1, le=65_535)] = 1


class SubscriptionConfig(Config):
    """How one event reaches one subscriber.

    Attributes:
        uri: the path that it is posted to, empty or starting with "/".
        headers: sent with it.
        secret: what a delivery is signed with, "whsec_" and base64 (Standard Webhooks); the newest of several is first.
        handler: the subscriber's module that handles it; without a `uri`, it takes the event from a broker.
    """

    uri: fields.Uri = "/"
    headers: dict[fields.HeaderName, fields.HeaderValue] = Field(default_factory=dict)
    secret: Annotated[list[fields.SigningSecret], BeforeValidator(fields.one_or_more)] = Field(default_factory=list)
    handler: fields.Module | None = None

    @property
    def consumes(self) -> bool:
        """Whether the subscriber takes the event from a broker, and not by its `uri`."""
        return self.handler is not None and "uri" not in self.model_fields_set


class DatastoreConfig(Instance):
    """One datastore, as configured; `architect.datastore(name)` returns its credentials.

    Attributes:
        type: the engine, such as "postgres"; if absent, `url` or the manifest's image determines it.
        image: the container image, such as "postgres:16".
        url: one URL instead of the fields.
        name: the database.
        options: options of the engine's plugin, checked by that plugin.
        kind: the platform's name for the engine, such as "postgresql"; unlike `type`, no plugin needs to know it.
    """

    type: fields.Protocol | None = None
    image: str | None = None
    url: str | None = None
    username: fields.Text | None = None
    password: fields.Text | None = None
    name: fields.Text | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    kind: str | None = None


class ServiceConfig(Instance):
    """One entry of `ARCHITECT`.

    Attributes:
        api: the protocol it serves, such as "rest"; None for a script that serves nothing.
        subscriptions: event -> subscriber -> delivery; in the running service's own entry.
        datastores: name -> datastore; also in the running service's own entry.
        options: options of the protocol's plugin, checked by that plugin.
        instances: all instances, if there are several; `host` and `port` default to the first one's.
    """

    api: fields.Protocol | None = None
    subscriptions: dict[fields.AnyEventName, dict[fields.ServiceName, SubscriptionConfig]] = Field(default_factory=dict)
    datastores: dict[fields.ServiceName, DatastoreConfig] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    instances: list[ServiceInstance] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete_address(self) -> ServiceConfig:
        first = self.instances[0] if self.instances else None
        if self.host is None and first is not None and first.host is not None:
            port = first.port if self.port is None else self.port
            for name, value in {"host": first.host, "port": port}.items():
                if value is not None:
                    object.__setattr__(self, name, value)  # the model is frozen for all but its own validator
                    self.model_fields_set.add(name)
        if self.api is not None and self.host is None:
            raise ValueError("has an api but no host")
        return self


@cache
def _services() -> type[RootModel[dict[str, ServiceConfig]]]:
    from pydantic import RootModel  # importing it builds it

    return RootModel[dict[fields.ServiceName, ServiceConfig]]


def parse_services(data: object, where: str) -> dict[str, ServiceConfig]:
    """Check a whole configuration: service name -> entry; raises ConfigError with the path of every wrong field.

    >>> parse_services({"acme/billing": {"host": "http://billing", "port": "8080", "api": "rest"}}, "example")
    {'acme/billing': ServiceConfig(host=***, port=8080, api='rest')}
    """
    return validate(_services(), require_object(data, where), where).root
