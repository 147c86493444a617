"""Service bindings: folders of files (https://servicebinding.io/spec/core/1.1.0/#workload-projection)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core import names
from architect_core.exceptions import ConfigError
from architect_core.sources.entries import checked_datastore, checked_service, protocol_of, scheme_of, with_login
from architect_core.sources.naming import Claims, resource_names
from architect_core.sources.pointers import read_text
from architect_core.sources.source import Configuration, Entries, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from architect_core.config import DatastoreConfig, ServiceConfig

ROOT_VARIABLE = "SERVICE_BINDING_ROOT"
# a binding's keys -> ours
FIELDS = {
    "uri": "url",
    "url": "url",
    "host": "host",
    "hostname": "host",
    "port": "port",
    "username": "username",
    "user": "username",
    "password": "password",
    "database": "name",
    "name": "name",
}
# those whose value is used as a file -> the option of an engine's plugin
CERTIFICATES = {
    "ca.crt": "ca",
    "ca-certificates": "ca",
    "certificates": "ca",
    "tls.crt": "certificate",
    "certificate": "certificate",
    "tls.key": "key",
    "private-key": "key",
}
# likewise where the file holds a certificate or a key, and not the path of one
_PEM = {"ca": "ca", "sslrootcert": "ca", "sslcert": "certificate", "sslkey": "key"}
_OWN = ("api",)
# what a file of that name cannot be: parts of our schema that are no texts
RESERVED = frozenset({"options", "instances", "datastores", "subscriptions"})


@dataclass(frozen=True)
class BindingSource(Source):
    """`$SERVICE_BINDING_ROOT/<name>/`, with a file for each of type, provider, host, port, uri, username, password, ...

    A binding of the type http, https, rest or grpc, or with a file `api`, is a service; any other is a datastore, whose
    engine is its `type`. A folder "acme-billing" or "billing" serves the name "acme/billing".

    Attributes:
        environ: where `SERVICE_BINDING_ROOT` is looked up; the process's environment unless given.
    """

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """List the bindings; the files of one are read when it is asked for.

        Raises:
            ConfigError: the variable names no folder that can be read.
        """
        environ = os.environ if self.environ is None else self.environ
        root = environ.get(ROOT_VARIABLE)
        if not root:
            return Configuration({}, None, f"the service bindings ({ROOT_VARIABLE} is not set)")
        reader = _Reader(Path(root))
        listed = sorted(name for name in reader.folders if names.SERVICE_NAME.fullmatch(name))
        return Configuration(
            services=Entries([name for name in listed if reader.is_service(name)], reader.service),
            current_service=None,
            where=f"the service bindings in {root}",
            datastores=Entries([name for name in listed if not reader.is_service(name)], reader.datastore),
            files=tuple(reader.files()),
            place_of=lambda _, name: reader.place(reader.folder_of(name) or name),
        )


class _Reader:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._claims = Claims()
        reason = ""
        try:
            self.folders = {path.name: path for path in sorted(root.iterdir()) if _is_visible(path) and path.is_dir()}
        except (OSError, ValueError) as problem:
            reason = f"cannot be listed ({getattr(problem, 'strerror', None) or 'no path'})"
        if reason:
            raise ConfigError(f"the service bindings in {root} ({ROOT_VARIABLE})", [("", reason)])

    def keys(self, folder: str) -> list[str]:
        """The names of a binding's files. Kubernetes puts hidden folders beside them, which the files link into."""
        try:
            return sorted(path.name for path in self.folders[folder].iterdir() if _is_visible(path) and path.is_file())
        except OSError:
            return []

    def files(self) -> Iterator[str]:
        """What changes when a binding does: its files, and the folders, which change when one is added."""
        yield str(self._root)
        for name, folder in self.folders.items():
            yield str(folder)
            yield from (str(folder / key) for key in self.keys(name))

    def folder_of(self, name: str) -> str | None:
        return next((each for each in resource_names(name) if each in self.folders), None)

    def place(self, folder: str) -> str:
        return f"the service binding {self._root / folder}"

    def is_service(self, folder: str) -> bool:
        keys = self.keys(folder)
        kind = read_text(str(self.folders[folder] / "type"))[0].strip() if "type" in keys else ""
        return any(key in keys for key in _OWN) or protocol_of(kind) is not None

    def service(self, name: str) -> ServiceConfig | None:
        folder = self.folder_of(name)
        if folder is None or not self.is_service(folder):
            return None
        values = self._values(folder, name)
        kind = values.pop("type", "")
        host = values.pop("url", None) or values.pop("host", None)
        api = values.pop("api", None) or protocol_of(kind) or protocol_of(scheme_of(host or ""))
        login = values.pop("username", None), values.pop("password", None)
        if host and kind.lower() == "https" and not scheme_of(host):
            host = f"https://{host}"
        entry = {**values, "api": api} | ({"host": with_login(host, *login)} if host else {})
        return checked_service(entry, self.place(folder))

    def datastore(self, name: str) -> DatastoreConfig | None:
        folder = self.folder_of(name)
        if folder is None or self.is_service(folder):
            return None
        values = self._values(folder, name)
        kind = values.pop("type", None)
        return checked_datastore({**values, "kind": kind} if kind else values, self.place(folder))

    def _values(self, folder: str, name: str) -> dict[str, Any]:
        self._claims.claim(str(self.folders[folder]), name)
        values: dict[str, Any] = {}
        certificates: dict[str, str] = {}
        problems = []
        is_service = self.is_service(folder)
        for key in self.keys(folder):
            path = str(self.folders[folder] / key)
            field = FIELDS.get(key, key)
            if key in CERTIFICATES:
                certificates[CERTIFICATES[key]] = path
                continue
            if field in RESERVED:
                continue
            text, reason = read_text(path)
            if key in _PEM and not is_service and text.lstrip().startswith("-----BEGIN "):
                certificates.setdefault(_PEM[key], path)
                continue
            if reason and field in FIELDS.values():
                problems.append((key, reason.replace("the file that it names ", "")))
            # what is no text, such as a key store, is given by its path
            value = path if reason else text
            if not (key == "name" and "database" in self.keys(folder)):
                values[field] = value.strip() if key == "type" else value
        if problems:
            raise ConfigError(self.place(folder), problems)
        if is_service:
            return values | certificates
        return values | ({"options": certificates} if certificates else {})


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")
