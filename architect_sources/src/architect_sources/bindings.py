"""Service bindings: folders of files (https://servicebinding.io/spec/core/1.1.0/#workload-projection)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core.contract import SERVICE_NAME, Configuration, Entries, Source, hookimpl, scheme_of
from architect_core.exceptions import ConfigError
from architect_core.schema import DatastoreConfig, ServiceConfig, validate
from architect_core.sources.pointers import read_text
from architect_core.sources.variables import VariablesSource
from architect_sources.binding_keys import CERTIFICATES, FIELDS, RESERVED
from architect_sources.claims import Claims
from architect_sources.entries import protocol_of, with_login
from architect_sources.naming import resource_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_core.contract import Exporter

ARCHITECT_CONTRACT = 1
ROOT_VARIABLE = "SERVICE_BINDING_ROOT"
_NAMES = frozenset(key for key, field in FIELDS.items() if field == "name" and key != "name")
# keys of datastores whose file is a certificate or a key, or holds the path of one
_PEM = {"ca": "ca", "sslrootcert": "ca", "sslcert": "certificate", "sslkey": "key"}
# an error if they are not text; any other file can be an attribute with its path
_TEXTS = frozenset({*FIELDS.values(), "type", "api"})


@hookimpl
def architect_source() -> Source:
    """The source `bindings`."""
    return BindingSource()


class BindingSource(VariablesSource):
    """`$SERVICE_BINDING_ROOT/<name>/`, with a file for each of type, provider, host, port, uri, username, password, ...

    A binding of the type http, https, rest or grpc, or with a file `api`, is a service; any other is a datastore with
    its `type` as the engine. The folder "acme-billing" or "billing" is the name "acme/billing".

    Attributes:
        environ: the variables; those of the process by default.
    """

    name: ClassVar[str] = "bindings"

    def load(self) -> Configuration:
        """List the bindings; the files of one are read when it is looked up.

        Raises:
            ConfigError: the variable names no folder that can be read.
        """
        root = self.variables.get(ROOT_VARIABLE)
        if not root:
            return Configuration({}, None, f"the service bindings ({ROOT_VARIABLE} is not set)")
        reader = _Reader(Path(root))
        services, datastores = reader.listed()
        return Configuration(
            services=Entries(services, reader.service),
            current_service=None,
            where=f"the service bindings in {root}",
            datastores=Entries(datastores, reader.datastore),
            files=tuple(reader.files()),
            place_of=lambda _, name: reader.where(name),
            keep_unknown_options=True,  # nobody can remove a file of TLS that an engine does not use
        )

    def exporter(self) -> Exporter:
        """Exports folders of files."""
        from architect_sources.exporters.bindings import BindingExporter

        return BindingExporter()


class _Reader:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._claims = Claims()
        reason = ""
        try:
            folders = [path for path in sorted(root.iterdir()) if _is_visible(path) and _is_folder(path)]
        except (OSError, ValueError) as problem:
            reason = f"cannot be listed ({getattr(problem, 'strerror', None) or 'no path'})"
        if reason:
            raise ConfigError(f"the service bindings in {root} ({ROOT_VARIABLE})", [("", reason)])
        self._bindings = {path.name: _Binding(path) for path in folders}

    def listed(self) -> tuple[list[str], list[str]]:
        """The names of services and of datastores; a binding that cannot be read is listed as a datastore."""
        services: list[str] = []
        datastores: list[str] = []
        for name, binding in self._bindings.items():
            if SERVICE_NAME.fullmatch(name):
                try:
                    is_service = binding.is_service()
                except ConfigError:
                    is_service = False
                (services if is_service else datastores).append(name)
        return services, datastores

    def files(self) -> Iterator[str]:
        """The files of all bindings, and the folders, which change when a file is added."""
        yield str(self._root)
        for binding in self._bindings.values():
            yield str(binding.path)
            with suppress(ConfigError):
                yield from (str(binding.path / key) for key in binding.keys())  # noqa: SIM118 - not a mapping

    def where(self, name: str) -> str:
        binding = self._of(name)
        return _Binding(self._root / name).where if binding is None else binding.where

    def service(self, name: str) -> ServiceConfig | None:
        binding = self._find(name, is_service=True)
        return None if binding is None else binding.service()

    def datastore(self, name: str) -> DatastoreConfig | None:
        binding = self._find(name, is_service=False)
        return None if binding is None else binding.datastore()

    def _find(self, name: str, *, is_service: bool) -> _Binding | None:
        binding = self._of(name)
        if binding is None or binding.is_service() is not is_service:
            return None
        self._claims.claim(str(binding.path), name)
        return binding

    def _of(self, name: str) -> _Binding | None:
        return next((self._bindings[each] for each in resource_names(name) if each in self._bindings), None)


class _Binding:
    """One folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = f"the service binding {path}"

    def keys(self) -> list[str]:
        """The names of its files, without the hidden folders that Kubernetes has the files link to."""
        try:
            return sorted(path.name for path in self.path.iterdir() if _is_visible(path))
        except OSError as problem:
            reason = f"cannot be listed ({problem.strerror})"
        raise ConfigError(self.where, [("", reason)])

    def is_service(self) -> bool:
        keys = self.keys()
        if "api" in keys:
            return True
        kind, reason = read_text(str(self.path / "type")) if "type" in keys else ("", "")
        if reason:
            raise ConfigError(self.where, [("type", reason)])
        return protocol_of(kind.strip()) is not None

    def service(self) -> ServiceConfig:
        values, certificates = self._read(CERTIFICATES)
        kind = values.pop("type", "").lower()
        host = values.pop("url", None) or values.pop("host", None)
        api = values.pop("api", None) or protocol_of(kind) or protocol_of(scheme_of(host or ""))
        login = values.pop("username", None), values.pop("password", None)
        if host and not scheme_of(host) and (kind == "https" or (certificates and kind != "http" and api == "rest")):
            host = f"https://{host}"
        entry = {**values, "api": api} | ({"host": with_login(host, *login)} if host else {})
        if certificates:
            entry |= {"options": {"tls": certificates}} if api in {"rest", "grpc"} else certificates
        return validate(ServiceConfig, entry, self.where)

    def datastore(self) -> DatastoreConfig:
        values, certificates = self._read(CERTIFICATES | _PEM)
        kind = values.pop("type", None)
        entry = values | ({"kind": kind} if kind else {}) | ({"options": certificates} if certificates else {})
        return validate(DatastoreConfig, entry, self.where)

    def _read(self, files: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The values by field, and the paths of `files` by option."""
        keys = self.keys()
        values: dict[str, Any] = {}
        found: dict[str, str] = {}
        problems = []
        for key in keys:
            path, field = self.path / key, FIELDS.get(key, key)
            if field in RESERVED or (key == "name" and _NAMES & set(keys)):
                continue
            text, reason = read_text(str(path))
            if key in files and not (text or reason):
                continue  # a secret of Kubernetes may have an empty ca.crt
            if key in files and (key not in _PEM or "-----BEGIN " in text):
                # beside `private-key`, the specification's `certificates` is the client's own chain
                is_chain = key == "certificates" and "private-key" in keys
                found.setdefault("certificate" if is_chain else files[key], str(path))
            elif not reason:
                values[field] = text.strip() if key == "type" else text
            elif field not in _TEXTS and os.path.isdir(path):  # noqa: PTH112 - it raises nothing
                continue
            elif field not in _TEXTS and os.access(path, os.R_OK):
                values[field] = str(path)  # not text, such as a key store
            else:
                problems.append((key, reason))
        if problems:
            raise ConfigError(self.where, problems)
        if "certificate" not in found and "key" in found:  # not the key of a certificate
            values["key"] = found.pop("key")
        return values, found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the error is raised when the binding is looked up
        return True


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")
