"""Service bindings: folders of files (https://servicebinding.io/spec/core/1.1.0/#workload-projection)."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from architect_core.contract import (  # isort: skip
    MASK, SERVICE_NAME, Configuration, Entries, Exported, Exporter, Form, Source, as_written, hookimpl, is_text,
    mask_url, scheme_of,
)  # fmt: skip
from architect_core.exceptions import ConfigError
from architect_core.schema import DatastoreConfig, ServiceConfig, validate
from architect_core.sources import MappingSource
from architect_core.sources.pointers import read_text
from architect_core.sources.variables import VariablesSource
from architect_sources.entries import RESERVED, of_host, protocol_of, with_login, without_closed_port
from architect_sources.naming import Claims, resource_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from architect_core.contract import Credentials, ExportTarget

ARCHITECT_CONTRACT = 2
ROOT_VARIABLE = "SERVICE_BINDING_ROOT"

# the keys of https://servicebinding.io/spec/core/1.1.0/#well-known-secret-entries
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
    "dbname": "name",
    "db-name": "name",
    "db_name": "name",
    "database-name": "name",
    "database_name": "name",
    "db": "name",
    "virtual-host": "name",
    "virtual_host": "name",
    "vhost": "name",
    "name": "name",
}
"""A key -> the field of an entry that takes its content."""

CERTIFICATES = {
    "ca.crt": "ca",
    "ca-certificates": "ca",
    "certificates": "ca",
    "tls.crt": "certificate",
    "certificate": "certificate",
    "tls.key": "key",
    "private-key": "key",
}
"""A key -> the option that takes the path of its file."""

_NAMES = frozenset(key for key, field in FIELDS.items() if field == "name" and key != "name")
# keys of datastores whose file is a certificate or a key, or holds the path of one
_PEM = {"ca": "ca", "sslrootcert": "ca", "sslcert": "certificate", "sslkey": "key"}
_PEM |= {"ssl.truststore.crt": "ca", "ssl.keystore.crt": "certificate", "ssl.keystore.key": "key"}  # Strimzi's
# an error if they are not text; any other file can be an attribute with its path
_TEXTS = frozenset({*FIELDS.values(), "type", "api"})
# white space at their ends is none of theirs, unlike that of a password
_TRIMMED = frozenset({"type", "url", "host", "port"})
_KEY = re.compile(r"(?!\.)[-._a-zA-Z0-9]+")
_TAKEN = frozenset({*FIELDS, *FIELDS.values(), *CERTIFICATES, *RESERVED, "api", "type"})
# fields of a datastore's entry that its credentials include
_INCLUDED = frozenset({"kind", "image", "connection_string", "hosts"})
# the first key that means an option
_KEYS = {option: key for key, option in reversed(CERTIFICATES.items())}
_PUBLIC = frozenset({"api", "type", "kind", "image", "port", "username", "database", "engine"})


@hookimpl
def architect_source() -> Source:
    return BindingSource()


class BindingSource(VariablesSource):
    """`$SERVICE_BINDING_ROOT/<name>/`, with a file for each of type, provider, host, port, uri, username, password, ...

    A binding of the type http, https, rest or grpc, or with a file `api`, is a service; any other is a datastore with
    its `type` as the engine. The folder "acme-billing" or "billing" is the name "acme/billing".
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
            keys_of=lambda _, name: reader.keys(name),
            keep_unknown_options=True,  # nobody can remove a file of TLS that an engine does not use
        )

    def exporter(self) -> Exporter:
        """Exports folders of files."""
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

    def keys(self, name: str) -> dict[str, str]:
        binding = self._of(name)
        return {} if binding is None else binding.written()

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

    def written(self) -> dict[str, str]:
        """Returns each field of the entry, and each option -> the name of its file."""
        keys = self.keys()
        named = {CERTIFICATES.get(key) or _PEM.get(key): key for key in reversed(keys)}
        options = {f"options.{option}": key for option, key in named.items() if option}
        return options | {FIELDS[key]: key for key in keys if key in FIELDS and not _is_overruled(key, keys)}

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
        return validate(ServiceConfig, entry, self.where, written=partial(as_written, keys=of_host(self.written())))

    def datastore(self) -> DatastoreConfig:
        values, certificates = self._read(CERTIFICATES | _PEM)
        kind = values.pop("type", None)
        entry = (
            without_closed_port(values)
            | ({"kind": kind} if kind else {})
            | ({"options": certificates} if certificates else {})
        )
        return validate(DatastoreConfig, entry, self.where, written=partial(as_written, keys=self.written()))

    def _read(self, files: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        """The values by field, and the paths of `files` by option."""
        keys = self.keys()
        values: dict[str, Any] = {}
        found: dict[str, str] = {}
        problems = []
        for key in keys:
            path, field = self.path / key, FIELDS.get(key, key)
            if field in RESERVED or _is_overruled(key, keys):
                continue
            text, reason = read_text(str(path))
            if key in files and not (text or reason):
                continue  # a secret of Kubernetes may have an empty ca.crt
            if key in files and (key not in _PEM or "-----BEGIN " in text):
                # beside `private-key`, the specification's `certificates` is the client's own chain
                is_chain = key == "certificates" and "private-key" in keys
                found.setdefault("certificate" if is_chain else files[key], str(path))
            elif not reason:
                values[field] = text.strip() if field in _TRIMMED else text
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


def _is_overruled(key: str, keys: Sequence[str]) -> bool:
    """Whether another key names the database, so that `name` is that of the binding."""
    return key == "name" and not _NAMES.isdisjoint(keys)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the error is raised when the binding is looked up
        return True


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


class BindingExporter(Exporter):
    """Files in folders, for their owner alone."""

    needs_folder = True

    def holder(self, target: ExportTarget) -> str:
        """The folder of a target. A binding's name has neither "/" nor "_"."""
        return f"the folder {_folder(target.name)}"

    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """Files by their paths, with the content of TLS files if it can be read here."""
        more = {key: value for key, value in target.entry.items() if _is_file(key, value)}
        if target.credentials is not None:
            more = {key: value for key, value in more.items() if key not in _INCLUDED}
            return [_form(target, {**more, **files}) for files in _datastore(target, target.credentials)]
        api = str(target.entry.get("api"))
        files = {**more, "type": api, "api": api, **_tls(target.entry)}
        return [_form(target, {**files, "uri": url}) for url in target.urls[:1]]

    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:
        """The files, without `secrets` only those that hold none, and the variable for a shell."""
        files = {
            path: text if secrets else _shown(path, text, form) for form in forms for path, text in form.values.items()
        }
        # one line break at the end is not part of a value
        written = {path: re.sub(r"(?<=[\r\n])\Z", "\r\n", text) for path, text in files.items() if text is not None}
        hidden = ", ".join(path for path, text in files.items() if text is None)
        note = f"files with secrets are omitted: {hidden}; --show-secrets writes them"
        root = "" if folder is None else str(folder.absolute())
        return Exported(f"SERVICE_BINDING_ROOT={shlex.quote(root)}", [note] if hidden else [], written)


def _folder(name: str) -> str:
    return re.sub("[/_]", "-", name)


def _form(target: ExportTarget, files: Mapping[str, str]) -> Form:
    """Files with a source that has the entry that is read from them; written, they have other paths."""
    entry: dict[str, Any] = {FIELDS.get(key, key): text for key, text in files.items() if key not in CERTIFICATES}
    kept = [CERTIFICATES.get(key, key) for key in files]
    kind = entry.pop("type")
    if target.credentials is None:
        entry |= {"host": entry.pop("url"), "options": target.entry.get("options") or {}}
        source = MappingSource({target.name: entry})
        kept += [] if CERTIFICATES.keys().isdisjoint(files) else ["options"]
    else:
        options = {
            CERTIFICATES[key]: target.credentials.options[CERTIFICATES[key]] for key in files if key in CERTIFICATES
        }
        entry |= {"kind": kind, "options": options}
        source = MappingSource({"x": {"datastores": {target.name: entry}}}, "x")
    return Form({f"{_folder(target.name)}/{key}": text for key, text in files.items()}, source, kept)


def _datastore(target: ExportTarget, credentials: Credentials) -> Iterator[dict[str, str]]:
    """Files with the specification's keys; only a URL can express several hosts."""
    kind = str(target.entry.get("kind") or "") if credentials.engine == "generic" else ""
    login = {"username": credentials.username, "password": credentials.password}
    host = {} if len(credentials.hosts) > 1 else {"host": credentials.host, "port": credentials.port}
    certificates = _certificates(credentials.options)
    paths = [credentials.options[CERTIFICATES[key]] for key in certificates]
    # a binding of a type such as "http" is a service
    start = {"type": credentials.engine if protocol_of(kind) or not kind else kind, **host, **login}
    for name in ({"database": credentials.name}, {}):  # not every engine allows a name beside a URL
        for url in (*target.urls, None):
            uri = None if url is None else _without_options(url, paths)
            files = {**start, **name, "uri": uri, **certificates}
            yield {key: str(value) for key, value in files.items() if value is not None}


def _without_options(url: str, values: Sequence[str]) -> str:
    """A URL without the options in its query that have one of `values`."""
    start, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and unquote(pair.partition("=")[2]) not in values]
    return start + ("?" + "&".join(kept) if kept else "")


def _tls(entry: Mapping[str, Any]) -> dict[str, str]:
    """The files of a service's option `tls`, if they are all that its options say."""
    options = entry.get("options") or {}
    tls = options.get("tls")
    if len(options) > 1 or not isinstance(tls, dict):
        return {}
    found = _certificates(tls)
    return found if len(found) == len(tls) else {}


def _certificates(options: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for option, path in options.items():
        if option in _KEYS and isinstance(path, str):
            text, reason = read_text(path)
            if not reason:
                found[_KEYS[option]] = text
    return found


def _is_file(key: str, value: object) -> bool:
    """Whether a value of an entry can be a file that is read back as the same."""
    is_value = isinstance(value, str) and value != "" and is_text(value)
    return is_value and _KEY.fullmatch(key) is not None and key not in _TAKEN


def _shown(path: str, text: str, form: Form) -> str | None:
    """The content of a file, or None if it may hold a secret, as a user without a password may."""
    folder, _, key = path.partition("/")
    if key == "username" and not form.values.get(f"{folder}/password"):
        return None
    shown = text if key in _PUBLIC else mask_url(text) if key in {"host", "uri"} else MASK
    return None if MASK in shown else shown
