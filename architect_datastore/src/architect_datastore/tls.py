"""TLS in the options and URLs of every engine.

`sslmode` has the meaning of PostgreSQL's (https://www.postgresql.org/docs/current/libpq-ssl.html):

    disable      no TLS
    allow        TLS if the server requires it
    prefer       TLS if the server supports it
    require      TLS, with any certificate
    verify-ca    TLS, with a certificate that an authority in `ca` signed
    verify-full  TLS, with such a certificate for the host
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from architect_core.contract import DatastoreTarget
from architect_datastore.kit.network import NetworkParser
from architect_datastore.kit.tls_keys import FALSE, SWITCHES, TRUE, word
from architect_datastore.options import TLS, VERIFYING, TlsFiles, read_tls_keys, with_tls


class TlsOptions(TlsFiles):
    """Options of an engine whose connections are either plain or TLS.

    Attributes:
        sslmode: the TLS mode; "verify-full" if only `ca` or `certificate` is given.
    """

    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] | None = None


@dataclass(frozen=True)
class Flag:
    """An option of a URL that is on or off.

    Attributes:
        name: its name; case, "_" and "-" are ignored when it is read.
        on: the values that mean on; the first is written.
        off: the values that mean off; likewise.
    """

    name: str
    on: tuple[str, ...] = TRUE
    off: tuple[str, ...] = FALSE

    def read(self, query: dict[str, Any]) -> bool | None:
        """Removes the option from the query and returns whether it is on, or None if it is absent.

        Raises:
            ValueError: it is neither on nor off.
        """
        values = [query.pop(key) for key in list(query) if word(key) == word(self.name)]
        if not values:
            return None
        value = str(values[-1]).lower()
        if value not in self.on + self.off:
            raise ValueError(
                f"has a value of {self.name} that is neither on nor off; known: {self.on[0]}, {self.off[0]}"
            )
        return value in self.on


class TlsParser(NetworkParser):
    """Reads an engine whose connections are either plain or TLS; the attributes are the spelling of TLS in its URLs."""

    Options: ClassVar[type[BaseModel]] = TlsOptions

    tls_schemes: ClassVar[Mapping[str, str]] = {}
    """A scheme without TLS -> the scheme with TLS, for engines that have two."""

    encrypted: Flag | None = None
    """The flag for TLS."""

    certificate: Flag | None = None
    """The flag for verifying the server's certificate."""

    hostname: Flag | None = None
    """The flag for verifying that the certificate is for the host."""

    switches: ClassVar[frozenset[str]] = SWITCHES
    """Options of a URL that turn TLS on in clients of other languages, such as "ssl" and "use_tls"."""

    tls_ports: ClassVar[frozenset[int | None]] = frozenset()
    """Ports on which servers speak TLS only, so that they mean TLS unless an option says otherwise."""

    option_names: ClassVar[Mapping[str, str]] = {}
    """An option of a URL -> the option of the schema; of several for one option, the first is written."""

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options by the schema's names; raises ValueError if they contradict each other, too."""
        scheme = self.schemes[scheme]
        by_word = {word(name): option for name, option in self.option_names.items()}
        by_word |= {word(name): name for name in TLS if name in self.Options.model_fields}
        found: dict[str, Any] = {}
        for key, value in query.items():
            option = by_word.get(word(key), key)
            if str(found.setdefault(option, value)).lower() != str(value).lower():
                raise ValueError("has an option twice, by two of its names, with two values")
        is_plain, names = scheme in self.tls_schemes, set(found)
        encrypted, certificate, hostname = (
            flag.read(found) if flag else None for flag in (self.encrypted, self.certificate, self.hostname)
        )
        for key in [key for key in found if word(key) in self.switches and key not in self.Options.model_fields]:
            encrypted = Flag(key).read(found)
        if encrypted is None and scheme in self.tls_schemes.values():
            encrypted = True
        of_tls = {name for name in names if name in {"ca", "certificate", "key"} or name.startswith("ssl_")}
        if is_plain and "sslmode" not in found and (set(found) != names or of_tls):
            raise ValueError("has options of TLS, and a scheme without")
        if "sslmode" in found or encrypted is certificate is hostname is None:
            return found
        if encrypted is False:
            mode = "disable"
        elif certificate is False:
            mode = "require"
            found.pop("ca", None)  # which the drivers ignore then, too
        else:
            mode = "verify-ca" if hostname is False else "verify-full"
        return {**found, "sslmode": mode}

    def is_secure(self, scheme: str) -> bool:
        """Returns whether a scheme is one of those with TLS."""
        return self.schemes[scheme] in self.tls_schemes.values()

    def read_secure_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads "redis+tls" as "rediss"; raises ValueError if an option asks for no TLS, too."""
        secure = scheme if self.is_secure(scheme) else self._secure_scheme or scheme
        return with_tls(self.read_options(secure, query))

    @property
    def _secure_scheme(self) -> str | None:
        return next(filter(self.is_secure, self.schemes), None)

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options of TLS, which keys have by the names of the schema or of a URL."""
        names = [name for name in TLS if name in self.Options.model_fields]
        names += [flag.name for flag in (self.encrypted, self.certificate, self.hostname) if flag is not None]
        names += [name for name, option in self.option_names.items() if option in TLS]
        scheme = self._secure_scheme or next(iter(self.schemes))
        found = read_tls_keys(keys, options.get("sslmode"), names, partial(self.read_options, scheme))
        ports = {port for _, port in keys.get("hosts") or [("", keys.get("port"))]}
        if ports <= self.tls_ports and "sslmode" not in {**options, **found}:
            found["sslmode"] = "verify-full"
        return found

    def write_options(self, scheme: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """See `NetworkParser.write_options`."""
        written: dict[str, str] = {}
        for name, option in self.option_names.items():
            written.setdefault(option, name)
        plain = next((each for each, secure in self.tls_schemes.items() if secure == scheme), scheme)
        mode = options.get("sslmode", "disable")
        flags = self._flags(mode) if "sslmode" in options else {}
        rest = {written.get(key, key): value for key, value in options.items() if key != "sslmode"}
        return plain if mode == "disable" else self.tls_schemes.get(plain, plain), {**flags, **rest}

    def _flags(self, mode: str) -> dict[str, str]:
        encrypted = self.encrypted
        query = {} if encrypted is None else {encrypted.name: (encrypted.off if mode == "disable" else encrypted.on)[0]}
        if mode in {"disable", "verify-full"}:
            known = encrypted is not None or bool(self.tls_schemes)
        else:
            flag = self.certificate if mode == "require" else self.hostname
            known = flag is not None
            if flag is not None:
                query[flag.name] = flag.off[0]
        return query if known else {**query, "sslmode": mode}

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """Files without `sslmode` mean "verify-full"; raises `target.error` if the `sslmode` does not use them."""
        files = [option for option in ("ca", "certificate", "key") if option in options]
        if files and options.get("sslmode") is None:
            options = {**options, "sslmode": "verify-full"}
        mode = options.get("sslmode")
        if "key" in files and "certificate" not in files:
            raise target.error("options.key", "is set without a certificate, whose key it is")
        if files and mode == "disable":
            raise target.error(f"options.{files[0]}", "has no meaning if TLS is off (sslmode disable)")
        if "ca" in files and mode not in VERIFYING:
            raise target.error(
                "options.ca", "has no meaning unless certificates are verified (sslmode verify-ca or verify-full)"
            )
        if mode == "disable" and self.tls_schemes:  # as the scheme means already
            options = {key: value for key, value in options.items() if key != "sslmode"}
        return options
