"""Variables that hold a URL: `BILLING_URL` for a service or a datastore, and `DATABASE_URL`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from architect_core.contract.source import Configuration, Entries, Source
from architect_core.exceptions import ConfigError
from architect_core.sources.entries import checked_datastore, is_datastore, scheme_of, service_at
from architect_core.sources.naming import Claims, variable_stems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from architect_core.schema.config import DatastoreConfig, ServiceConfig


@dataclass(frozen=True)
class UrlSource(Source):
    """`<NAME>_URL`, where the name has capital letters and "_" for anything else: `ACME_BILLING_URL` or `BILLING_URL`.

    The datastore "database" is at `DATABASE_URL`. What cannot be told from a variable's name is not listed: a
    service is found when it is asked for.

    Attributes:
        environ: where they are looked up; the process's environment unless given.
    """

    knows_current_service: ClassVar[bool] = False
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def load(self) -> Configuration:
        """Take all variables whose names end with `_URL`."""
        environ = os.environ if self.environ is None else self.environ
        urls = {name: value for name, value in environ.items() if name.endswith("_URL") and value}
        claims = Claims()

        def variable(name: str) -> str | None:
            candidates = [each for stem in variable_stems(name) if (each := f"{stem}_URL") in urls]
            found = next((each for each in candidates if scheme_of(urls[each])), None)
            if candidates and found is None:
                reason = "has no scheme; write all of the URL, such as http://host:port"
                raise ConfigError(f"the environment variable {candidates[0]}", [("", reason)])
            return found

        def service(name: str) -> ServiceConfig | None:
            found = variable(name)
            if found is None or is_datastore(scheme_of(urls[found])):
                return None
            claims.claim(found, name)
            return service_at([urls[found]], f"the environment variable {found}")

        def datastore(name: str) -> DatastoreConfig | None:
            found = variable(name)
            if found is None:
                return None
            claims.claim(found, name)
            return checked_datastore({"url": urls[found]}, f"the environment variable {found}")

        return Configuration(
            services=Entries((), service),
            current_service=None,
            where="variables whose names end with _URL",
            datastores=Entries((), datastore),
            place_of=lambda _, name: f"the environment variable {variable(name)}",
        )
