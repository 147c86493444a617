"""The pydantic schemas of what the environment holds: services, instances, datastores and subscriptions."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from architect_core._base import names
from architect_core._base.address import parse_port
from architect_core._base.json_text import require_object, showable
from architect_core.schema.mapping import MappingAccess
from architect_core.schema.validation import validate_all


def _port(value: object) -> object:
    if isinstance(value, str):
        return parse_port(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return value


def _host(value: str) -> str:
    if not value:
        raise ValueError("the host is empty")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("a host has no spaces and no control characters")
    return value


def _text(value: object) -> object:
    # 0.2.1 gave these on as they came; people write numbers as passwords
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _event(name: str) -> str:
    # lenient: the platform accepted any, the documentation's own is "<event_name>"
    if not name or not name.isprintable():
        raise ValueError("an event's name is empty or has control characters")
    return name


def _protocol(value: str) -> str:
    if not names.PROTOCOL.fullmatch(value):
        raise ValueError("a protocol's name has lower-case letters, digits, '-' and '_', or it is null")
    return value


def _header(value: str) -> str:
    if any(character in value for character in "\r\n\0"):
        raise ValueError("a header has no line breaks")
    return value


def _header_name(value: str) -> str:
    if not names.HEADER_NAME.fullmatch(value):
        raise ValueError("this is no name of an HTTP header")
    return value


def _uri(value: str) -> str:
    if any(ord(character) < 33 or ord(character) == 127 for character in value):
        raise ValueError("a URI has no spaces and no control characters")
    if value and not value.startswith("/"):
        raise ValueError("must start with '/'")
    return value


Port = Annotated[int, BeforeValidator(_port)]
Host = Annotated[str, AfterValidator(_host)]
Text = Annotated[str, BeforeValidator(_text)]
ServiceName = Annotated[str, AfterValidator(names.service_name)]
Protocol = Annotated[str, AfterValidator(_protocol)]
Uri = Annotated[str, AfterValidator(_uri)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, BeforeValidator(_text), AfterValidator(_header)]


class _Masked:
    """Stands for a value in a repr."""

    def __repr__(self) -> str:
        return "***"


_MASKED = _Masked()


class Config(MappingAccess, BaseModel):
    """What all of the environment's entries share: unknown keys are kept, values never show in a repr."""

    # deferred: the schema of all is built once, with the first configuration
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)

    # what a repr may show; everything else may be a secret
    _SHOWN: ClassVar = frozenset({"port", "api", "type"})

    def __repr_args__(self) -> list[tuple[str, object]]:
        # what repr, str, rich and devtools print
        # a key that nobody would call a name may be a secret in the wrong place
        return [(showable(key), value if key in self._SHOWN else _MASKED) for key, value in self.items()]


class Instance(Config):
    """One place where something listens.

    Attributes:
        host: a host name or address, with or without a scheme, user information and base path.
        port: 1 to 65535, given as a number or as text.
    """

    host: Host | None = None
    port: Port | None = None


class ServiceInstance(Instance):
    """One of several places where a service listens.

    Attributes:
        weight: 1 to 65535: what share of the calls it gets, compared with the others' weights; gRPC takes turns anyway.
    """

    weight: Annotated[int, Field(ge=1, le=65_535)] = 1


class SubscriptionConfig(Config):
    """How one subscriber wants to hear of one event.

    Attributes:
        uri: where on the subscriber the event is posted; empty or starting with "/".
        headers: what is sent along.
    """

    uri: Uri = "/"
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)


class DatastoreConfig(Instance):
    """How to get into one datastore, as configured; `architect.datastore(name)` gives the parsed credentials.

    Attributes:
        type: the engine, such as "postgres"; where absent it is told from `url` or the manifest's image.
        image: the container image it runs from, such as "postgres:16".
        url: all of it as one URL.
        username: who logs in.
        password: a plain text, because drivers need it.
        name: which database.
        options: options of the engine's plugin, checked by that plugin.
        kind: what a platform calls it, such as "postgresql"; unlike `type`, one that no plugin serves is no error.
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
        subscriptions: event -> subscriber -> how; present on the current service's own entry.
        datastores: name -> configuration; likewise.
        options: options of the protocol's plugin, checked by that plugin.
        instances: all places where it listens, if there are several; `host` and `port` are the first's unless stated.
    """

    api: Protocol | None = None
    subscriptions: dict[Annotated[str, AfterValidator(_event)], dict[ServiceName, SubscriptionConfig]] = Field(
        default_factory=dict
    )
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
