"""Variables that hold a URL: `BILLING_URL` for a service or a datastore, and `DATABASE_URL`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from architect_core.contract import Configuration, Entries, Source, hookimpl, scheme_of
from architect_core.exceptions import ConfigError
from architect_core.schema import DatastoreConfig, validate
from architect_core.sources.variables import VariablesSource
from architect_sources.claims import Claims
from architect_sources.entries import service_at
from architect_sources.naming import variable_stems
from architect_sources.schemes import is_datastore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.contract import Exporter
    from architect_core.schema import ServiceConfig

ARCHITECT_CONTRACT = 1


@hookimpl
def architect_source() -> Source:
    """The source `urls`."""
    return UrlSource()


class UrlSource(VariablesSource):
    """`<NAME>_URL`, with "_" for what is neither a letter nor a digit: `ACME_BILLING_URL` or `BILLING_URL`.

    The datastore "database" is `DATABASE_URL`. No names are listed, because they cannot be derived from variables.

    Attributes:
        environ: the variables; those of the process by default.
    """

    name: ClassVar[str] = "urls"

    def load(self) -> Configuration:
        """Read all variables whose names end with `_URL`; each URL is checked when it is looked up."""
        urls = _Urls({name: value for name, value in self.variables.items() if name.endswith("_URL") and value})
        return Configuration(
            services=Entries((), urls.service),
            current_service=None,
            where="variables whose names end with _URL",
            datastores=Entries((), urls.datastore),
            place_of=lambda _, name: f"the environment variable {urls.variable(name)}",
        )

    def exporter(self) -> Exporter:
        """Exports a part of a Compose file."""
        from architect_sources.exporters.compose import ComposeExporter

        return ComposeExporter(UrlSource)


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
