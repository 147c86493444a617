"""What the dialects have in common: how they export, and services and datastores as URLs."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote, urlencode

from architect_core.contract import Address, parse_address, showable
from architect_core.exceptions import ArchitectError, RunError
from architect_core.resolver import Resolver
from architect_core.resolver.engine import GENERIC
from architect_core.schema import DatastoreConfig, ServiceConfig
from architect_core.sources.binding_keys import CERTIFICATES
from architect_core.sources.entries import with_login

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from architect_cli.resolved import Resolved
    from architect_core.contract import Credentials, Source
    from architect_core.plugins import Plugins

Form = Mapping[str, str]
"""The variables, or the files, for one item: name -> value."""

# what has to be the same when it is read back
_COMPARED = ("engine", "hosts", "username", "password", "name", "options")

# fields that are exported by other means
_EXPORTED = {
    "services": set(ServiceConfig.model_fields) - {"options", "subscriptions"},
    "datastores": {*DatastoreConfig.model_fields, "connection_string", "hosts"},
}

# a service's protocol -> the scheme of its host -> the scheme that names the protocol
_SCHEMES = {"grpc": {"": "grpc", "http": "grpc", "https": "grpcs"}, "rest": {"": "http"}}


class Dialect(ABC):
    """The format in which a platform states the addresses of services and datastores."""

    name: ClassVar[str]  # in `--export`
    several: ClassVar[bool] = False  # whether it can express several instances of a service

    @abstractmethod
    def holder(self, item: Resolved) -> str:
        """The variable or folder of an item, for messages; no two items may have the same."""

    @abstractmethod
    def forms(self, item: Resolved) -> Iterable[Form]:
        """The possible forms of an item, the preferred one first."""

    @abstractmethod
    def source(self, item: Resolved, form: Form, plugins: Plugins) -> Source:
        """A source that reads a form as an application would; raises NoPluginError if its package is not installed."""

    @abstractmethod
    def text(self, exported: Sequence[tuple[Resolved, Form]], *, secrets: bool) -> tuple[str, list[str]]:
        """Returns the text to print for all items, and notes on omitted secrets."""

    def carried(self, form: Form) -> Iterable[str]:  # noqa: ARG002 - to override
        """The keys of the entry, or of its options, that a form has under the same name."""
        return ()

    def export(
        self, found: Sequence[Resolved], resolver: Resolver, plugins: Plugins, *, secrets: bool
    ) -> tuple[str, list[str], list[ArchitectError]]:
        """Export each item in the first form that is read back as what was resolved.

        Returns the text to print, notes on omitted parts, and an error for each omitted item. Raises RunError if two
        items would have the same variable or folder.
        """
        exported: list[tuple[Resolved, Form]] = []
        notes: list[str] = []
        problems: list[ArchitectError] = []
        holders: dict[str, Resolved] = {}
        for each in found:
            if each.is_nowhere:
                notes += self._notes(each, {})
                continue
            holder = self.holder(each)
            other = holders.setdefault(holder, each)
            if other is not each:
                raise RunError(
                    f"{other.label} and {each.label} would both be {holder}. Rename one of them, or export "
                    "them as ARCHITECT"
                )
            try:
                item = replace(each, credentials=resolver.datastore(each.name)) if each.kind == "datastores" else each
                form = self._form(item, plugins)
            except ArchitectError as problem:
                problems.append(problem)
            else:
                exported.append((item, form))
                notes += self._notes(item, form)
        text, hidden = self.text(exported, secrets=secrets)
        return text, [*notes, *hidden], problems

    def _form(self, item: Resolved, plugins: Plugins) -> Form:
        """A form that is read back as the same; raises RunError if there is none."""
        reason = "an address that is no URL"
        for form in self.forms(item):
            fields = _differing(item, self.source(item, form, plugins), plugins)
            if not fields:
                return form
            reason = f"it so that it is read back as the same ({', '.join(fields)})"
        raise RunError(f"{item.label} is omitted: {self.name} cannot express {reason}. Export it as ARCHITECT")

    def _notes(self, item: Resolved, form: Form) -> list[str]:
        carried = set(self.carried(form))
        omitted = [showable(key) for key in further(item) if key not in carried]
        several = len(item.entry.get("instances") or ())
        if several > 1 and not (self.several and len(service_urls(item.entry)) == several):
            omitted.append("instances but the first")
        elif any("weight" in each for each in item.entry.get("instances") or ()) and "instances" not in carried:
            omitted.append("the instances' weights")
        notes = [f"{item.label}: {self.name} cannot express {', '.join(omitted)}; omitted"] if omitted else []
        options = item.credentials.options if item.credentials is not None else {}
        paths = [key for key in dict.fromkeys(CERTIFICATES.values()) if key in options and key not in carried]
        if paths:
            notes.append(f"{item.label}: {', '.join(paths)}: only the path is exported, the file must exist there too")
        return notes


def _differing(item: Resolved, source: Source, plugins: Plugins) -> list[str]:
    """The fields that differ between `source` and what was resolved; of several instances, the first is enough."""
    resolver = Resolver(source=source, plugins=plugins, root=os.devnull)  # without a manifest
    try:
        if item.credentials is not None:
            return _differing_credentials(item.credentials, resolver.datastore(item.name))
        read = resolver.service(item.name).config
    except ArchitectError:
        return ["all of it"]
    wanted, urls = service_urls(item.entry), service_urls(read)
    fields = [] if read.get("api") == item.entry.get("api") else ["api"]
    return fields if urls in (wanted, wanted[:1]) else [*fields, "host"]


def _differing_credentials(wanted: Credentials, read: Credentials) -> list[str]:
    fields = [name for name in _COMPARED if getattr(wanted, name) != getattr(read, name)]
    schemes = {(each.url or "").partition("://")[0] for each in (wanted, read)}
    return fields if len(schemes) == 1 else [*fields, "url"]


def further(item: Resolved) -> dict[str, Any]:
    """The fields of an entry beside the address and the login."""
    return {key: value for key, value in item.entry.items() if key not in _EXPORTED[item.kind] and value}


def settable(name: str) -> str:
    """The name of a variable that a shell and Compose can set; neither allows a digit at its start.

    >>> settable("2fa/token"), settable("billing/token")
    ('_2FA_TOKEN', 'BILLING_TOKEN')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"[^A-Z0-9]", "_", name.upper()))


def notes_on(variables: Sequence[str], how: str) -> list[str]:
    """A note on which variables to set, and how, if there are any."""
    note = f"secrets are omitted: set {', '.join(variables)} {how}; --show-secrets writes them"
    return [note] if variables else []


def service_urls(entry: Mapping[str, Any]) -> list[str]:
    """The URLs of a service's instances, that of the entry itself first; empty if its address is no URL.

    >>> service_urls({"api": "grpc", "host": "p0", "port": 1, "instances": [{"host": "p0", "port": 1}, {"host": "p1"}]})
    ['grpc://p0:1', 'grpc://p1']
    """
    try:
        first = _service_url(entry, entry.get("api"))
        several = [_service_url(each, entry.get("api")) for each in entry.get("instances") or ()]
    except ValueError:  # a target of gRPC's naming, or an instance without a host
        return []
    return several if several[:1] == [first] else [first]


def _service_url(entry: Mapping[str, Any], api: str | None) -> str:
    address = parse_address(entry.get("host") or "", entry.get("port"))
    scheme = _SCHEMES.get(str(api), {"": str(api)}).get(address.scheme, address.scheme)
    return with_login(f"{scheme}://{address.netloc}{address.path}", address.username, address.password)


def datastore_urls(credentials: Credentials) -> list[str]:
    """URLs with the content of credentials: that of the engine's drivers, and one whose scheme is the engine's name.

    The former does not name the engine if the drivers' scheme is a general one, such as Elasticsearch's "https".
    """
    if credentials.url is None:
        return []
    if credentials.engine == GENERIC:
        return [credentials.url]
    try:
        return [credentials.url, _engine_url(credentials)]
    except ValueError:  # a lone surrogate
        return [credentials.url]


def _engine_url(credentials: Credentials) -> str:
    # an IPv6 address keeps its colons, a socket's path does not
    hosts = [(quote(host, safe="" if host.startswith("/") else ":"), port) for host, port in credentials.hosts]
    netlocs = ",".join(Address("", *each).netloc for each in hosts)
    url = f"{credentials.engine}://{netlocs}/{quote(credentials.name or '', safe='')}"
    query = urlencode(credentials.options, doseq=True, quote_via=quote)
    return with_login(f"{url}?{query}" if query else url, credentials.username, credentials.password)


def without_options(url: str, values: Container[str]) -> str:
    """A URL without the options in its query that have one of `values`."""
    start, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and unquote(pair.partition("=")[2]) not in values]
    return start + ("?" + "&".join(kept) if kept else "")
