"""The schema of `architect.json`, the manifest that describes one service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from architect_core._base import names
from architect_core._base.json_text import read_json, require_object
from architect_core.exceptions import ManifestError
from architect_core.schema import fields
from architect_core.schema.base import Strict, validate


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class Parameter(Strict):
    """A value that the service reads from its environment.

    In a datastore, `alias` is the field of the credentials that it becomes, such as "username"; parameters of known
    images, such as POSTGRES_USER, need none. If it is `required` and has neither a value nor a default, `architect run`
    stops.
    """

    description: str = ""
    default: fields.Text | None = None
    alias: fields.ParameterName | None = None
    required: bool = True


class ManifestDatastore(Strict):
    """A datastore that the service needs.

    Its `image`, such as "postgres:16", determines the engine; without one, its `type` does, such as "sqlite". With a
    `host`, it is not started locally. With `events`, it holds the service's outbox and inbox, whose tables `architect
    run` creates.
    """

    image: str | None = None
    type: fields.Protocol | None = None
    port: fields.Port | None = None
    host: fields.Host | None = None
    parameters: dict[fields.ParameterName, Parameter] = Field(default_factory=dict)
    events: bool = False

    @model_validator(mode="after")
    def _engine(self) -> ManifestDatastore:
        if not self.image and not self.type:
            raise ValueError("needs an `image` (postgres:16) or a `type` (sqlite)")
        return self


class Api(Strict):
    """What the service serves, and the files that define it, relative to the service's folder.

    Attributes:
        type: the protocol.
        definitions: the files, or patterns of such: `proto/**/*.proto` are those in `proto` and all folders below.
        roots: where the files that these import are looked for first: folders, or names of installed distributions,
            such as googleapis-common-protos.
        readiness: options of the protocol's readiness probe for `architect run`, which its plugin checks.
    """

    type: fields.Protocol
    definitions: list[fields.RelativePath] = Field(default_factory=list)
    roots: list[fields.RelativePath] = Field(default_factory=list)
    readiness: dict[str, Any] = Field(default_factory=dict)


class ManifestSubscription(Strict):
    """How another service's event is delivered to this one: posted to `uri`, or taken from a broker by `handler`.

    `handler` is the module with the function that `architect.on` decorates, such as "letters.handlers". `secret` names
    the service's parameter whose value deliveries are signed with; `architect run` makes one up if it has no value.
    """

    uri: fields.Uri | None = None
    headers: dict[fields.HeaderName, fields.HeaderValue] = Field(default_factory=dict)
    handler: fields.Module | None = None
    secret: fields.ParameterName | None = None

    @model_validator(mode="after")
    def _reachable(self) -> ManifestSubscription:
        if self.uri is None and self.handler is None:
            raise ValueError("needs a `uri` (/event/callback) or a `handler` (the module with the function)")
        return self


class Manifest(Strict):
    """One `architect.json`.

    Attributes:
        name: the service's name, such as "acme/checkout".
        dependencies: name -> version, or `file:` and a path relative to the manifest's folder. The dependency's own
            manifest may carry another name.
        debug: the command that starts the service in development.
        api: what it serves; None for a script.
        notifications: the events it publishes.
        subscriptions: service -> event -> delivery.
    """

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
    parameters: dict[fields.ParameterName, Parameter] = Field(default_factory=dict)
    datastores: dict[fields.ServiceName, ManifestDatastore] = Field(default_factory=dict)
    notifications: list[fields.EventName] = Field(default_factory=list)
    subscriptions: dict[fields.ServiceName, dict[fields.EventName, ManifestSubscription]] = Field(default_factory=dict)

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
            other = by_folder.setdefault(names.stub_folder(name), name)
            if other != name:
                raise ValueError(f"{other} and {name} would share the stub folder {names.stub_folder(name)}")
        return self


def parse_manifest(text: str | bytes, where: str = names.MANIFEST_FILE) -> Manifest:
    """Parse a manifest; raises ManifestError with the line of broken JSON or the path of every wrong field.

    >>> parse_manifest('{"name": "acme/checkout", "dependencies": {"acme/billing": "file:../billing"}}').name
    'acme/checkout'
    """
    data = require_object(read_json(text, where, error=ManifestError), where, error=ManifestError)
    return validate(Manifest, data, where, error=ManifestError)


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest in `folder`; raises ManifestError if there is none, or it is malformed."""
    path = folder / names.MANIFEST_FILE
    where = str(folder)
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except FileNotFoundError:
        reason = f"this folder has no {names.MANIFEST_FILE}" if folder.is_dir() else "no such folder"
    except NotADirectoryError:
        reason = f"this is a file; name the folder that holds {names.MANIFEST_FILE}"
    except OSError as problem:
        where, reason = str(path), f"cannot be read ({problem.strerror})"
    raise ManifestError(where, [("", reason)])
