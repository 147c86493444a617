"""The export for Kubernetes: service bindings, a folder for each name and a file for each value."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from architect_core.contract import MASK, Exported, Exporter, Form, is_text, mask_url
from architect_core.sources import MappingSource
from architect_core.sources.pointers import read_text
from architect_sources.binding_keys import CERTIFICATES, FIELDS, RESERVED
from architect_sources.entries import protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from architect_core.contract import Credentials, ExportTarget

_KEY = re.compile(r"(?!\.)[-._a-zA-Z0-9]+")
_TAKEN = frozenset({*FIELDS, *FIELDS.values(), *CERTIFICATES, *RESERVED, "api", "type"})
# fields of a datastore's entry that its credentials include
_INCLUDED = frozenset({"kind", "image", "connection_string", "hosts"})
# the first key that means an option
_KEYS = {option: key for key, option in reversed(CERTIFICATES.items())}
_PUBLIC = frozenset({"api", "type", "port", "username", "database", "engine"})


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
