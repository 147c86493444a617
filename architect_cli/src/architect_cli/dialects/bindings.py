"""The dialect of Kubernetes: service bindings, a folder for each name and a file for each value."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from architect_cli.dialects.dialect import Dialect, Form, datastore_urls, further, service_urls, without_options
from architect_cli.folders import write_new
from architect_cli.resolved import SHOWN
from architect_core.contract import MASK, is_text, mask_url
from architect_core.resolver.engine import GENERIC
from architect_core.sources.binding_keys import CERTIFICATES, FIELDS, RESERVED
from architect_core.sources.entries import protocol_of
from architect_core.sources.mapping import MappingSource
from architect_core.sources.pointers import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

_KEY = re.compile(r"(?!\.)[-._a-zA-Z0-9]+")
_TAKEN = frozenset({*FIELDS, *FIELDS.values(), *CERTIFICATES, *RESERVED, "api", "type"})
# the first key that means an option
_KEYS = {option: key for key, option in reversed(CERTIFICATES.items())}
_PUBLIC = SHOWN | {"database"}


class Bindings(Dialect):
    """Files in folders below `folder`, for their owner alone."""

    name = "bindings"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def holder(self, item: Resolved) -> str:
        """The folder of an item. A binding's name has neither "/" nor "_"."""
        return f"the folder {_folder(item)}"

    def forms(self, item: Resolved) -> Iterable[Form]:
        """Files by their names, with the content of TLS files if it can be read here."""
        more = {key: value for key, value in further(item).items() if _is_file(key, value)}
        if item.credentials is not None:
            return ({**more, **form} for form in _datastore(item.credentials, item.entry))
        api = str(item.entry.get("api"))
        start = {**more, "type": api, "api": api, **_tls(item.entry)}
        return [{**start, "uri": url} for url in service_urls(item.entry)[:1]]

    def source(self, item: Resolved, form: Form, plugins: Plugins) -> Source:  # noqa: ARG002 - as all others
        """What has the entry that is read from the files."""
        entry: dict[str, Any] = {FIELDS.get(key, key): text for key, text in form.items() if key not in CERTIFICATES}
        kind = entry.pop("type")
        if item.credentials is None:
            entry |= {"host": entry.pop("url"), "options": item.entry.get("options") or {}}
            return MappingSource({item.name: entry})
        # the files will have other paths and the same content
        options = {
            CERTIFICATES[key]: item.credentials.options[CERTIFICATES[key]] for key in form if key in CERTIFICATES
        }
        return MappingSource({"x": {"datastores": {item.name: {**entry, "kind": kind, "options": options}}}}, "x")

    def carried(self, form: Form) -> Iterable[str]:
        """The names of files, and the options that TLS files stand for."""
        of_service = ["options"] if "api" in form and not CERTIFICATES.keys().isdisjoint(form) else []
        return [*(CERTIFICATES.get(key, key) for key in form), *of_service]

    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """Write the files, without `secrets` only those that hold none; returns the variable for a shell."""
        files = {
            f"{_folder(item)}/{key}": text if secrets else _shown(key, text, form)
            for item, form in exported
            for key, text in form.items()
        }
        # one line break at the end is not part of a value
        written = {path: re.sub(r"(?<=[\r\n])\Z", "\r\n", text) for path, text in files.items() if text is not None}
        write_new(self.folder, written, mode=0o600)
        hidden = ", ".join(path for path, text in files.items() if text is None)
        note = f"files with secrets are omitted: {hidden}; --show-secrets writes them"
        return f"SERVICE_BINDING_ROOT={shlex.quote(str(self.folder.absolute()))}", [note] if hidden else []


def _folder(item: Resolved) -> str:
    return re.sub("[/_]", "-", item.name)


def _datastore(credentials: Credentials, entry: Mapping[str, Any]) -> Iterator[Form]:
    """Forms with the specification's keys; only a URL can express several hosts."""
    kind = str(entry.get("kind") or "") if credentials.engine == GENERIC else ""
    login = {"username": credentials.username, "password": credentials.password}
    host = {} if len(credentials.hosts) > 1 else {"host": credentials.host, "port": credentials.port}
    files = _certificates(credentials.options)
    # a binding of a type such as "http" is a service
    start = {"type": credentials.engine if protocol_of(kind) or not kind else kind, **host, **login}
    for name in ({"database": credentials.name}, {}):  # not every engine allows a name beside a URL
        for url in (*datastore_urls(credentials), None):
            paths = [credentials.options[CERTIFICATES[key]] for key in files]
            uri = None if url is None else without_options(url, paths)
            form = {**start, **name, "uri": uri, **files}
            yield {key: str(value) for key, value in form.items() if value is not None}


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
    return isinstance(value, str) and is_text(value) and _KEY.fullmatch(key) is not None and key not in _TAKEN


def _shown(key: str, text: str, form: Form) -> str | None:
    """The content of a file, or None if it may hold a secret, as a user without a password may."""
    if key == "username" and not form.get("password"):
        return None
    shown = text if key in _PUBLIC else mask_url(text) if key in {"host", "uri"} else MASK
    return None if MASK in shown else shown
