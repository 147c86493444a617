"""TLS as every engine's options and URLs state it.

`sslmode` means what it means to PostgreSQL (https://www.postgresql.org/docs/current/libpq-ssl.html):

    disable      no TLS
    allow        TLS where the server insists on it
    prefer       TLS where the server has it
    require      TLS, with whomever
    verify-ca    TLS, with a server whose certificate `ca` has signed
    verify-full  the same, and the certificate is for this host
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from architect_core.contract import DatastoreTarget, Options
from architect_datastore.kit.network import NetworkParser
from architect_datastore.path import Path  # noqa: TC001 - pydantic reads it
from architect_datastore.tls_keys import TLS, read_tls_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

VERIFYING = frozenset({"verify-ca", "verify-full"})
TRUE = ("true", "yes", "1", "on")
FALSE = ("false", "no", "0", "off")


class TlsOptions(Options):
    """Options of an engine whose connections are either plain or TLS.

    Attributes:
        sslmode: what is asked of TLS; `ca` or `certificate` alone ask for "verify-full".
        ca: the path of a file with the certificates of the authorities that may have signed the server's, PEM; those of
            the system unless given.
        certificate: the path of the client's certificate, PEM.
        key: the path of its key, PEM; in `certificate` unless given.
    """

    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Flag:
    """An option of a URL that is on or off.

    Attributes:
        name: as it is written; it is read in any case.
        on: the values that mean on; the first is written.
        off: the values that mean off; likewise.
    """

    name: str
    on: tuple[str, ...] = TRUE
    off: tuple[str, ...] = FALSE

    def read(self, query: dict[str, Any]) -> bool | None:
        """Take it out of the query; None where it is not there. ValueError where it is neither on nor off."""
        stated = [query.pop(key) for key in list(query) if key.lower() == self.name.lower()]
        if not stated:
            return None
        word = str(stated[-1]).lower()
        if word not in self.on + self.off:
            raise ValueError(
                f"has a value of {self.name} that is neither on nor off; known: {self.on[0]}, {self.off[0]}"
            )
        return word in self.on


@dataclass(frozen=True)
class TlsUrls:
    """How the URLs of one engine state TLS.

    Attributes:
        schemes: a scheme without TLS -> the one with it; none where a flag says it.
        encrypted: the flag that says whether there is TLS.
        certificate: the flag that says whether the server's certificate is verified.
        hostname: the flag that says whether its host is.
        names: options of a URL -> those of the schema; the first of those that mean one is written.
    """

    schemes: Mapping[str, str] = field(default_factory=dict)
    encrypted: Flag | None = None
    certificate: Flag | None = None
    hostname: Flag | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def read(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """The schema's options that a URL states; others are kept as they are.

        Raises:
            ValueError: they contradict each other, or mean nothing.
        """
        by_word = {name.lower(): option for name, option in self.names.items()}
        found = {by_word.get(key.lower(), key): value for key, value in query.items()}
        if len(found) < len(query):
            raise ValueError("states an option twice, by two of its names")
        is_plain, names = scheme in self.schemes, set(found)
        encrypted, certificate, hostname = (
            flag.read(found) if flag else None for flag in (self.encrypted, self.certificate, self.hostname)
        )
        if scheme in self.schemes.values():
            encrypted = True
        if is_plain and "sslmode" not in found and (set(found) != names or names & {"ca", "certificate", "key"}):
            raise ValueError("has options of TLS, and a scheme without")
        if "sslmode" in found or encrypted is certificate is hostname is None:
            return found
        if encrypted is False:
            mode = "disable"
        elif certificate is False:
            mode = "require"
        else:
            mode = "verify-ca" if hostname is False else "verify-full"
        return {**found, "sslmode": mode}

    def about_tls(self) -> list[str]:
        """The options of a URL that say something about TLS."""
        flags = [flag.name for flag in (self.encrypted, self.certificate, self.hostname) if flag is not None]
        return [*flags, *(name for name, option in self.names.items() if option in TLS)]

    def write(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The scheme and query that `read` reads."""
        written: dict[str, str] = {}
        for name, option in self.names.items():
            written.setdefault(option, name)
        plain = next((each for each, secure in self.schemes.items() if secure == scheme), scheme)
        mode = options.get("sslmode", "disable")
        stated = self._stated(mode) if "sslmode" in options else {}
        rest = {written.get(key, key): value for key, value in options.items() if key != "sslmode"}
        return plain if mode == "disable" else self.schemes.get(plain, plain), {**stated, **rest}

    def _stated(self, mode: str) -> dict[str, str]:
        encrypted = self.encrypted
        query = {} if encrypted is None else {encrypted.name: (encrypted.off if mode == "disable" else encrypted.on)[0]}
        if mode in {"disable", "verify-full"}:
            known = encrypted is not None or bool(self.schemes)
        else:
            flag = self.certificate if mode == "require" else self.hostname
            known = flag is not None
            if flag is not None:
                query[flag.name] = flag.off[0]
        return query if known else {**query, "sslmode": mode}


class TlsParser(NetworkParser):
    """Reads an engine whose connections are either plain or TLS, as `tls` says of its URLs."""

    Options: ClassVar[type[BaseModel]] = TlsOptions
    tls = TlsUrls()

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """As `tls` says."""
        return self.tls.read(self.schemes[scheme], query)

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of TLS, by the names that `tls` has for them."""
        names = [name for name in (*TLS, *self.tls.about_tls()) if name not in TLS or name in self.Options.model_fields]
        secure = next((each for each in self.schemes if self.schemes[each] in self.tls.schemes.values()), None)
        scheme = secure or next(iter(self.schemes))
        return read_tls_keys(keys, options.get("sslmode"), names, partial(self.read_options, scheme))

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Likewise."""
        return self.tls.write(scheme, options)

    def settle(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """Files without `sslmode` ask for verification; those that the `sslmode` has no use for are an error."""
        files = [option for option in ("ca", "certificate", "key") if option in options]
        if files and options.get("sslmode") is None:
            options = {**options, "sslmode": "verify-full"}
        mode = options.get("sslmode")
        if "key" in files and "certificate" not in files:
            raise target.error("options.key", "is there without `certificate`, whose key it is")
        if files and mode == "disable":
            raise target.error(f"options.{files[0]}", "has no meaning where sslmode is disable")
        if "ca" in files and mode not in VERIFYING:
            raise target.error("options.ca", "has no meaning unless sslmode is verify-ca or verify-full")
        if mode == "disable" and self.tls.schemes:  # which is what its scheme says
            options = {key: value for key, value in options.items() if key != "sslmode"}
        return options
