"""Variables that hold a URL: `BILLING_URL` for a service or a datastore, and `DATABASE_URL`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar

from architect_core.contract import (  # isort: skip
    MASK, Configuration, Entries, Exported, Exporter, Form, Source, hookimpl, mask_url, scheme_of,
)  # fmt: skip
from architect_core.exceptions import ConfigError
from architect_core.schema import DatastoreConfig, validate
from architect_core.sources.variables import VariablesSource
from architect_sources.entries import is_datastore, service_at
from architect_sources.naming import Claims, variable_stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from architect_core.contract import ExportTarget
    from architect_core.schema import ServiceConfig

ARCHITECT_CONTRACT = 2


@hookimpl
def architect_source() -> Source:
    return UrlSource()


class UrlSource(VariablesSource):
    """`<NAME>_URL`, with "_" for what is neither a letter nor a digit: `ACME_BILLING_URL` or `BILLING_URL`.

    The datastore "database" is `DATABASE_URL`. No names are listed, because they cannot be derived from variables.
    """

    name: ClassVar[str] = "urls"

    def load(self) -> Configuration:
        """Read all variables whose names end with `_URL`; each URL is checked when it is looked up."""
        urls = _Urls(
            {name: url for name, value in self.variables.items() if name.endswith("_URL") and (url := value.strip())}
        )
        return Configuration(
            services=Entries((), urls.service),
            current_service=None,
            where="variables whose names end with _URL",
            datastores=Entries((), urls.datastore),
            place_of=lambda _, name: f"the environment variable {urls.variable(name)}",
            keys_of=lambda *_: {"url": ""},
        )

    def exporter(self) -> Exporter:
        """Exports a part of a Compose file."""
        return ComposeExporter()


class _Urls:
    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._claims = Claims()

    def variable(self, name: str) -> str | None:
        """The variable that holds the URL of `name`.

        Raises:
            ConfigError: the only variables of that name hold no URL.
        """
        candidates = [each for stem in variable_stems(name) if (each := f"{stem}_URL") in self._urls]
        found = next((each for each in candidates if scheme_of(self._urls[each])), None)
        if candidates and found is None:
            reason = "has no scheme; write all of the URL, such as http://host:port"
            raise ConfigError(f"the environment variable {candidates[0]}", [("", reason)])
        return found

    def service(self, name: str) -> ServiceConfig | None:
        variable = self.variable(name)
        if variable is None or is_datastore(scheme_of(self._urls[variable])):
            return None
        self._claims.claim(variable, name)
        return service_at([self._urls[variable]], f"the environment variable {variable}")

    def datastore(self, name: str) -> DatastoreConfig | None:
        variable = self.variable(name)
        if variable is None:
            return None
        self._claims.claim(variable, name)
        return validate(DatastoreConfig, {"url": self._urls[variable]}, f"the environment variable {variable}")


class ComposeExporter(Exporter):
    """The key `environment` of a service in a Compose file, with `<NAME>_URL` for each service and datastore."""

    def holder(self, target: ExportTarget) -> str:
        """Its variable."""
        return f"{variable_stems(target.name)[0]}_URL"

    def forms(self, target: ExportTarget) -> Iterable[Form]:
        """One variable."""
        urls = target.urls[:1] if target.credentials is None else target.urls
        variables = [{self.holder(target): url} for url in urls]
        return [Form(each, UrlSource(each)) for each in variables]

    def export(self, forms: Sequence[Form], folder: Path | None, *, secrets: bool) -> Exported:  # noqa: ARG002
        """The lines. A secret is replaced by a variable of Compose, which refuses to start without it."""
        lines = ["environment:"]
        wanted: list[str] = []
        for form in forms:
            for variable, url in form.values.items():
                shown = url.replace("$", "$$") if secrets else _pointing(variable, url, wanted)
                lines.append(f"  {variable}: {json.dumps(shown, ensure_ascii=False)}")
        how = "where Compose runs, percent-encoded as in a URL; --show-secrets writes them"
        return Exported("\n".join(lines), [f"secrets are omitted: set {', '.join(wanted)} {how}"] if wanted else [])


def _pointing(variable: str, url: str, wanted: list[str]) -> str:
    """A URL with variables for its password and its options, or one variable for a URL that cannot be split.

    The variables are added to `wanted`.
    """
    hidden = mask_url(url)
    if hidden == url:
        return url.replace("$", "$$")
    stem = re.sub(r"^(?=\d)", "_", variable.removesuffix("_URL"))  # Compose allows no digit at the start
    password, options, whole = (f"{stem}_{part}" for part in ("PASSWORD", "OPTIONS", "URL"))
    filled = hidden.replace("$", "$$").replace(f":{MASK}@", f":${{{password}:?}}@", 1)
    if filled.endswith(f"?{MASK}"):
        filled = f"{filled.removesuffix(MASK)}${{{options}:?}}"
    if MASK in filled:
        filled = f"${{{whole}:?}}"
    wanted += [each for each in (password, options, whole) if f"${{{each}:?}}" in filled]
    return filled
