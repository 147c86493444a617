"""Options that plugins share: how a client verifies a service, and how it authenticates itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from architect_core._base.files import read_file
from architect_core.schema.base import Strict
from architect_core.schema.fields import HeaderName, HeaderValue

if TYPE_CHECKING:
    from architect_core.contract.client import Target


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


_MOST = 16  # MiB of a file
File = Annotated[Path, AfterValidator(_absolute)]


class Tls(Strict):
    """The option `tls`: files, in PEM, are read again when they change (see `architect.watch`).

    Attributes:
        ca: certificates of the trusted authorities; the protocol's defaults if None.
        certificate: the client's certificate.
        key: its key; in `certificate` if None.
        server_name: the name in the server's certificate, if it is not the host's.
    """

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None
    server_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _has_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("has a key and no certificate")
        return self

    def check(self, target: Target) -> None:
        """Read the files of the service `target`, to find a mistake before the first call.

        Raises:
            ConfigError: a file cannot be read, is not the right kind of PEM, or the key is encrypted.
        """
        import ssl

        for name, file in {"ca": self.ca, "certificate": self.certificate, "key": self.key}.items():
            if file is None:
                continue
            # read with each connection, which a pipe does not allow
            is_other = os.path.exists(file) and not os.path.isfile(file)  # noqa: PTH110, PTH113 - these raise nothing
            reason = "is no file" if is_other else read_file(str(file), _MOST)[1]
            if reason:
                raise target.error(f"options.tls.{name}", reason)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            wrong = "ca", "has no certificate in PEM"
            if self.ca is not None:
                context.load_verify_locations(self.ca)
            wrong = "certificate", "must be a certificate in PEM, and `key` its key, not encrypted"
            if self.certificate is not None:
                # without a password OpenSSL prompts on the terminal
                context.load_cert_chain(self.certificate, self.key, password="")
        except (ssl.SSLError, ValueError):
            name, reason = wrong
        else:
            return
        raise target.error(f"options.tls.{name}", reason)


class Auth(Strict):
    """The option `auth`: sent with every call, to the service's own origin only.

    A value may be a pointer, such as `{"$file": "/run/secrets/token"}`, as everywhere in a configuration.

    Attributes:
        bearer: a token, sent as `Authorization: Bearer ...`.
        username: with `password`, sent as `Authorization: Basic ...`.
        headers: name -> value, such as an API key.
    """

    bearer: HeaderValue | None = Field(default=None, repr=False)
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("has only one of username and password")
        if self.bearer is not None and self.username is not None:
            raise ValueError("has a bearer token and a username; a call has one of them")
        return self
