"""The variables that .NET Aspire sets for what it starts (https://aspire.dev/fundamentals/environment-variables)."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from architect_core.contract import (  # isort: skip
    MASK, SERVICE_NAME, Configuration, Entries, Exported, Exporter, Form, Source, as_written, hookimpl, mask_url,
    scheme_of,
)  # fmt: skip
from architect_core.schema import DatastoreConfig, validate
from architect_core.sources.variables import VariablesSource
from architect_sources.entries import is_datastore, service_at
from architect_sources.naming import Claims, resource_names, variable_stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from architect_core.contract import ExportTarget
    from architect_core.schema import ServiceConfig

ARCHITECT_CONTRACT = 2
_SERVICE = re.compile(r"services__(.+?)__([^_](?:.*?[^_])?)__(\d+)", re.IGNORECASE)
_CONNECTION = re.compile(r"ConnectionStrings__(.+)", re.IGNORECASE)
# of a resource with several endpoints, the first of these is used
_PREFERRED = ("grpc", "https", "http")
_RANKS = {endpoint: rank for rank, endpoint in enumerate(_PREFERRED)}
# what asks for TLS after a "+" in a scheme; a name in the DNS of MongoDB means it, too
_TLS = frozenset({"tls", "ssl", "https", "s", "srv"})
_PROPERTIES = {"HOST": "host", "PORT": "port", "USERNAME": "username", "PASSWORD": "password", "DATABASENAME": "name"}
_PORTS = {"HTTPPORT": "http_port", "GRPCPORT": "grpc_port"}  # of Qdrant, whose connection string has the latter


@hookimpl
def architect_source() -> Source:
    return AspireSource()


class AspireSource(VariablesSource):
    """`services__<name>__<endpoint>__<n>`, `ConnectionStrings__<name>`, and their forms for other languages.

    The latter are `<NAME>_HTTPS`, `<NAME>_HTTP` and `<NAME>_GRPC` for services, and `<NAME>_URI`, or `<NAME>_HOST` with
    `_PORT`, `_USERNAME`, `_PASSWORD` and `_DATABASENAME`, for datastores. Several `<n>` are several instances. The
    resource "acme-billing" or "billing" is the service "acme/billing".
    """

    name: ClassVar[str] = "aspire"

    def load(self) -> Configuration:
        """Read the variables. The names of `services__...` and `ConnectionStrings__...` are listed."""
        reader = _Reader({name: _trimmed(name, value) for name, value in self.variables.items()})
        return Configuration(
            services=Entries(_listed(each.resource for each in reader.endpoints), reader.service),
            current_service=None,
            where="the variables of .NET Aspire",
            datastores=Entries(_listed(reader.connections), reader.datastore),
            place_of=reader.where,
            keys_of=reader.keys,
        )

    def exporter(self) -> Exporter:
        """Exports variables."""
        return AspireExporter()


def _trimmed(name: str, value: str) -> str:
    """A value without white space at its ends, which only a password and a user name may have."""
    return value if name.upper().endswith(("_PASSWORD", "_USERNAME")) else value.strip()


class _Endpoint(NamedTuple):
    resource: str
    endpoint: str
    number: int
    variable: str
    url: str


def _listed(resources: Iterable[str]) -> list[str]:
    return sorted({resource for resource in resources if SERVICE_NAME.fullmatch(resource)})


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._claims = Claims()
        self.endpoints: list[_Endpoint] = []
        self.connections: dict[str, str] = {}
        for name, value in environ.items():
            if value and (match := _SERVICE.fullmatch(name)):
                endpoint = _Endpoint(match[1].lower(), match[2].lower(), int(match[3]), name, value)
                self.endpoints.append(endpoint)
            elif value and (match := _CONNECTION.fullmatch(name)):
                self.connections[match[1].lower()] = name

    def service(self, name: str) -> ServiceConfig | None:
        found = self._endpoints(name)
        if not found:
            return None
        for each in found:
            self._claims.claim(each.variable, name)
        api = "grpc" if found[0].endpoint == "grpc" else None
        return service_at([each.url for each in found], self.where("services", name), api)

    def datastore(self, name: str) -> DatastoreConfig | None:
        variable, stem = self._connection(name), self._stem(name)
        if variable is not None:
            self._claims.claim(variable, name)
            key = "url" if scheme_of(self._environ[variable]) else "connection_string"
            entry = {key: self._environ[variable]}
            kind, _, transport = scheme_of(self._environ.get(self._uri(name) or "", "")).partition("+")
            if key == "connection_string" and is_datastore(kind):
                entry["kind"] = kind  # it may tell no engine itself, as "localhost:6379" does not
                if transport in _TLS:
                    entry["tls"] = "true"
            entry |= self._beside(name, variable, key)
        elif stem is not None:
            self._claims.claim(f"{stem}_HOST", name)
            values = {field: self._environ.get(f"{stem}_{key}") for key, field in _PROPERTIES.items()}
            entry = {field: value for field, value in values.items() if value}
        else:
            return None
        written = partial(as_written, keys=self.keys("datastores", name))
        return validate(DatastoreConfig, entry, self.where("datastores", name), written=written)

    def _beside(self, name: str, variable: str, key: str) -> dict[str, str]:
        """What other variables add to a connection string, or to a `<NAME>_URI` without a login, as Neo4j's."""
        added: dict[str, str] = {}
        if key == "connection_string":
            added = _PORTS
        elif variable == self._uri(name) and "@" not in self._environ[variable]:
            added = {each: _PROPERTIES[each] for each in ("USERNAME", "PASSWORD")}
        found = {
            field: value
            for stem in reversed(variable_stems(name))
            for each, field in added.items()
            if (value := self._environ.get(f"{stem}_{each}"))
        }
        return found if key == "connection_string" or len(found) == len(added) else {}

    def keys(self, kind: str, name: str) -> dict[str, str]:
        """The variables that the fields of the entry `name` are read from; "" for the one of `where`."""
        stem = self._stem(name)
        if kind == "services" or self._connection(name) is not None or stem is None:
            return {"url": "", "connection_string": ""}
        return {field: f"{stem}_{key}" for key, field in _PROPERTIES.items()}

    def where(self, kind: str, name: str) -> str:
        """The variables that the entry `name` is read from."""
        if kind == "services":
            return f"the environment variable {self._endpoints(name)[0].variable}"
        variable, stem = self._connection(name), self._stem(name)
        return f"the environment variable {variable}" if variable else f"the variables {stem}_HOST and others"

    def _endpoints(self, name: str) -> list[_Endpoint]:
        """The instances of the preferred endpoint of the first resource that is the service `name`."""
        for resource in resource_names(name):
            of_it = [each for each in self.endpoints if each.resource == resource]
            if of_it:
                chosen = min({each.endpoint for each in of_it}, key=lambda each: (_RANKS.get(each, 3), each))
                return sorted((each for each in of_it if each.endpoint == chosen), key=lambda each: each.number)
        for stem in variable_stems(name):
            for endpoint in _PREFERRED:
                variable = f"{stem}_{endpoint.upper()}"
                if self._environ.get(variable, "").partition("://")[1]:
                    return [_Endpoint(name, endpoint, 0, variable, self._environ[variable])]
        return []

    def _connection(self, name: str) -> str | None:
        uri = self._uri(name)
        for resource in resource_names(name):
            if resource in self.connections:
                variable = self.connections[resource]
                # a host alone tells less than the URI
                return uri if uri is not None and "=" not in self._environ[variable] else variable
        return uri

    def _uri(self, name: str) -> str | None:
        uris = (f"{stem}_URI" for stem in variable_stems(name))
        return next((uri for uri in uris if "://" in self._environ.get(uri, "")), None)

    def _stem(self, name: str) -> str | None:
        for stem in variable_stems(name):
            # Kubernetes sets variables of these names too; the port in its ones is a URL
            if self._environ.get(f"{stem}_HOST") and self._environ.get(f"{stem}_PORT", "").isdecimal():
                return stem
        return None


class AspireExporter(Exporter):
    """Variables, a line for each, in a file that Compose reads (`env_file`), and a shell where it can set the name.

    Both take text between single quotes literally. Values have no quote and no backslash, which they read differently.
    """

    def holder(self, target: ExportTarget) -> str:
        """The start of the names of its variables. A resource's name has neither "/" nor "_"."""
        kind = "services" if target.credentials is None else "ConnectionStrings"
        return f"{kind}__{re.sub('[/_]', '-', target.name)}"

    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """A variable for each instance of a service, one for a datastore."""
        holder = self.holder(target)
        urls = [url.replace("'", "%27").replace("\\", "%5C") for url in target.urls]
        if target.credentials is not None:
            return [Form({holder: url}, AspireSource({holder: url})) for url in urls]
        if target.entry.get("api") == "grpc":
            # the URL of an endpoint is that of HTTP/2, and the endpoint's name says that it is gRPC
            urls, endpoint = [re.sub("^grpc", "http", url) for url in urls], "grpc"
        else:
            endpoint = urls[0].partition(":")[0] if urls else ""
        variables = {f"{holder}__{endpoint}__{number}": url for number, url in enumerate(urls)}
        return [Form(variables, AspireSource(variables), kept={"instances"})] if urls else []

    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:  # noqa: ARG002
        """The variables. They cannot point to a secret, so it is masked."""
        values = {variable: url for form in forms for variable, url in form.values.items()}
        shown = values if secrets else {variable: mask_url(url) for variable, url in values.items()}
        hidden = [variable for variable, url in shown.items() if MASK in url and url != values[variable]]
        note = f"secrets are masked in {', '.join(hidden)}; --show-secrets writes them"
        lines = [f"{variable}={shlex.quote(url)}" for variable, url in shown.items()]
        return Exported("\n".join(lines), [note] if hidden else [])
