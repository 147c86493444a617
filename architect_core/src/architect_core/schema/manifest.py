"""The schema of `architect.json`, the manifest that describes one service."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from architect_core._base import names
from architect_core._base.json_text import read_json, require_object
from architect_core.exceptions import ManifestError
from architect_core.schema import fields
from architect_core.schema.base import Problem, Section, empty_if_null, validate


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class Reference(Section):
    """A value that is made of those of a dependency or of a datastore: `"$HOST:$PORT"`.

    Attributes:
        dependency: the name of a dependency of the service; its version may follow, as in "acme/billing:latest".
        datastore: or the key of a datastore of the service.
        value: a text in which `$HOST`, `$PORT` and `$NAME`, or `${NAME}`, for each of its parameters, are replaced.
    """

    MEANT: ClassVar = {"vault": "secrets of a vault are not fetched: use $file or $env in the file of --config"}

    dependency: str | None = None
    datastore: str | None = None
    value: str

    @model_validator(mode="after")
    def _of_one(self) -> Reference:
        if (self.dependency is None) == (self.datastore is None):
            raise ValueError("needs either a `dependency` or a `datastore`")
        if not Template(self.value).is_valid():
            raise ValueError("the `value` has a $ that no name follows; $$ is one that is meant")
        return self


class ValueFrom(Section):
    """The form in which a reference is written: `{"valueFrom": {"datastore": "primary", "value": "$HOST"}}`."""

    reference: Annotated[Reference, Field(alias="valueFrom")]


def _kind_of_value(value: object) -> str:
    return "[reference]" if isinstance(value, dict | ValueFrom) else "[text]"


Value = Annotated[
    Annotated[fields.Text, Tag("[text]")] | Annotated[ValueFrom, Tag("[reference]")], Discriminator(_kind_of_value)
]


class Parameter(Section):
    """A value that the service reads from its environment.

    In a datastore, `alias` is the field of the credentials that it becomes, such as "username"; parameters of known
    images, such as POSTGRES_USER, need none. A `default` that begins with `file:` is the content of the file at the
    path that follows. If the parameter is `required`, and has neither a value nor a default, `architect run` stops; one
    whose default is null is not required.
    """

    MEANT: ClassVar = {"value": "did you mean 'default'?"}
    _NULLS: ClassVar = frozenset({"default"})

    description: str = ""
    default: Value | None = None
    alias: fields.ParameterName | None = None
    required: bool = True

    @property
    def is_required(self) -> bool:
        """Whether the service cannot start without a value."""
        return self.required and "default" not in self.model_fields_set


Parameters = Annotated[dict[fields.ParameterName, Parameter], BeforeValidator(empty_if_null)]


class ManifestDatastore(Section):
    """A datastore that the service needs.

    Its `image`, such as "postgres:16", determines the engine; without one, its `type` does, such as "sqlite". With a
    `host`, it is not started locally. With `events`, it holds the service's outbox and inbox, whose tables `architect
    run` creates.
    """

    MEANT: ClassVar = {
        "engine": "did you mean 'type'?",
        "version": "it is a part of the image: postgres:16",
        "env": "did you mean 'parameters'?",
        "environment": "did you mean 'parameters'?",
    }

    image: str | None = None
    type: fields.Protocol | None = None
    port: fields.Port | None = None
    host: fields.Host | None = None
    parameters: Parameters = Field(default_factory=dict)
    events: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_docker(cls, data: object) -> object:
        """The other form that the original platform read: `{"docker": {"image": ..., "target_port": ...}}`."""
        if not isinstance(data, dict) or not isinstance(data.get("docker"), dict) or data.get("image") is not None:
            return data
        others = {key: value for key, value in data.items() if key != "docker"}
        docker = data["docker"]
        return {"port": docker.get("target_port"), **others, "image": docker.get("image")}

    @model_validator(mode="after")
    def _texts_only(self) -> ManifestDatastore:
        for name, each in self.parameters.items():
            if isinstance(each.default, ValueFrom):
                raise ValueError(f"the default of {name} must be text or a number: a datastore refers to nothing")  # noqa: TRY004
        return self

    @model_validator(mode="after")
    def _engine(self) -> ManifestDatastore:
        if not self.image and not self.type:
            raise ValueError("needs an `image` (postgres:16) or a `type` (sqlite)")
        return self


class Api(Section):
    """What the service serves, and the files that define it, relative to the service's folder.

    Attributes:
        type: the protocol.
        definitions: the files, or patterns of such: `proto/**/*.proto` are those in `proto` and all folders below.
        roots: where the files that these import are looked for first: folders, or names of installed distributions,
            such as googleapis-common-protos.
        readiness: options of the protocol's readiness probe for `architect run`, which its plugin checks.
    """

    MEANT: ClassVar = {
        "proto": "did you mean 'definitions'?",
        "protos": "did you mean 'definitions'?",
        "liveness_probe": "did you mean 'readiness'?",
        "health": "did you mean 'readiness'?",
    }

    type: fields.Protocol
    definitions: list[fields.RelativePath] = Field(default_factory=list)
    roots: list[fields.RelativePath] = Field(default_factory=list)
    readiness: dict[str, Any] = Field(default_factory=dict)


class ManifestSubscription(Section):
    """How another service's event is delivered to this one: posted to `uri`, or taken from a broker by `handler`.

    `handler` is the module with the function that `architect.on` decorates, such as "letters.handlers". `secret` names
    the service's parameter whose value deliveries are signed with; `architect run` makes one up if it has no value.
    """

    MEANT: ClassVar = {"url": "did you mean 'uri'?", "path": "did you mean 'uri'?"}

    uri: fields.Uri | None = None
    headers: dict[fields.HeaderName, fields.HeaderValue] = Field(default_factory=dict)
    handler: fields.Module | None = None
    secret: fields.ParameterName | None = None

    @model_validator(mode="after")
    def _reachable(self) -> ManifestSubscription:
        if self.uri is None and self.handler is None:
            raise ValueError("needs a `uri` (/event/callback) or a `handler` (the module with the function)")
        return self


def _event_names(value: object) -> object:
    # the original platform also read an object, whose keys are the events
    return list(value) if isinstance(value, dict) else value


class Manifest(Section):
    """One `architect.json`.

    Attributes:
        name: the service's name, such as "acme/checkout".
        version: a number, or a tag such as "latest"; it is not compared with those of dependencies.
        dependencies: name -> version, or `file:` and a path relative to the manifest's folder. The dependency's own
            manifest may carry another name, under which it is found as well.
        port: where it listens with `architect run`, if that port is free.
        debug: the command that starts the service in development.
        api: what it serves; None for a script.
        notifications: the events it publishes.
        subscriptions: service -> event -> delivery.
    """

    MEANT: ClassVar = {
        **dict.fromkeys(("start", "command", "cmd", "scripts", "run", "main"), "did you mean 'debug'?"),
        **dict.fromkeys(("proto", "protos"), "did you mean 'api.definitions'?"),
        **dict.fromkeys(("env", "environment", "params"), "did you mean 'parameters'?"),
        **dict.fromkeys(("deps", "depends_on", "requires"), "did you mean 'dependencies'?"),
        "events": "did you mean 'notifications'?",
        "interface": "did you mean 'api'?",
        "__version": "architect.json has one format only",
    }

    schema_url: Annotated[str | None, Field(alias="$schema")] = None
    name: fields.ServiceName
    version: fields.Version | None = None
    description: str = ""
    keywords: Annotated[list[str], BeforeValidator(_words)] = Field(default_factory=list)
    author: Annotated[list[str], BeforeValidator(fields.one_or_more)] = Field(default_factory=list)
    license: str = ""
    language: Annotated[str | None, Field(min_length=1)] = None
    port: fields.Port = 8080
    debug: Annotated[str | None, Field(min_length=1)] = None
    api: Api | None = None
    dependencies: dict[fields.ServiceName, fields.Dependency] = Field(default_factory=dict)
    parameters: Parameters = Field(default_factory=dict)
    datastores: dict[fields.ServiceName, ManifestDatastore] = Field(default_factory=dict)
    notifications: Annotated[list[fields.EventName], BeforeValidator(_event_names)] = Field(default_factory=list)
    subscriptions: Annotated[
        dict[fields.ServiceName, dict[fields.EventName, ManifestSubscription]], BeforeValidator(empty_if_null)
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_secrets(self) -> Manifest:
        for service, events in self.subscriptions.items():
            for event, each in events.items():
                if each.secret is not None and each.secret not in self.parameters:
                    raise ValueError(f"the `secret` of {event!r} of {service} is {each.secret}, which is no parameter")
        return self

    @model_validator(mode="after")
    def _no_shared_stub_folder(self) -> Manifest:
        by_folder: dict[str, str] = {}
        for name in (self.name, *self.dependencies):
            # some file systems do not distinguish upper case
            other = by_folder.setdefault(names.stub_folder(name).casefold(), name)
            if other != name:
                raise ValueError(f"{other} and {name} would share the stub folder {names.stub_folder(name)}")
        return self


def parse_manifest(
    text: str | bytes, where: str = names.MANIFEST_FILE, unknown: list[Problem] | None = None
) -> Manifest:
    """Parse a manifest; raises ManifestError with the line of broken JSON or the path of every wrong field.

    A key that no field has is ignored, and added to `unknown`, with its path and the nearest known one.

    >>> parse_manifest('{"name": "acme/checkout", "dependencies": {"acme/billing": "file:../billing"}}').name
    'acme/checkout'
    """
    data = require_object(read_json(text, where, error=ManifestError), where, error=ManifestError)
    return validate(Manifest, data, where, error=ManifestError, unknown=[] if unknown is None else unknown)


def load_manifest(folder: Path, unknown: list[Problem] | None = None) -> Manifest:
    """Read the manifest in `folder`, like `parse_manifest`; also raises ManifestError if there is none."""
    path = folder / names.MANIFEST_FILE
    where = str(folder)
    try:
        return parse_manifest(path.read_bytes(), str(path), unknown)
    except FileNotFoundError:
        reason = f"this folder has no {names.MANIFEST_FILE}" if folder.is_dir() else "no such folder"
    except NotADirectoryError:
        reason = f"this is a file; name the folder that holds {names.MANIFEST_FILE}"
    except OSError as problem:
        where, reason = str(path), f"cannot be read ({problem.strerror})"
    raise ManifestError(where, [("", reason)])
