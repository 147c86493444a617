"""How a client is sure of a service, and how it says who it is: options that plugins share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from architect_core.config import HeaderName, HeaderValue  # noqa: TC001 - pydantic reads them


class _Shared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


File = Annotated[Path, AfterValidator(_absolute)]


class Tls(_Shared):
    """The option `tls`: files, in PEM, are read again when they change (see `architect.watch`).

    Attributes:
        ca: the certificates of the authorities that may have signed the server's; the protocol's own unless given.
        certificate: the client's certificate.
        key: its key; in `certificate` unless given.
        server_name: the name that the server's certificate has, where it is not the host's.
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


class Auth(_Shared):
    """The option `auth`: what is sent with every call, to the service's own origin alone.

    A value may be a pointer, such as `{"$file": "/run/secrets/token"}`, as everywhere in a configuration.

    Attributes:
        bearer: a token, sent as `Authorization: Bearer ...`.
        username: with `password`, sent as `Authorization: Basic ...`.
        password: likewise.
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
