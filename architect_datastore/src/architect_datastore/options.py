"""Options that several engines have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from architect_core.contract import Options


def _path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("must be the path of a file")
    return value


Path = Annotated[str, AfterValidator(_path)]
"""The path of a file."""


class TlsFiles(Options):
    """Options of TLS.

    Attributes:
        sslmode: the TLS mode; each engine has some of PostgreSQL's.
        ca: the path of a PEM file with the certificates of the authorities that may have signed the server's; those of
            the system by default.
        certificate: the path of the client's certificate, PEM.
        key: the path of its key, PEM; by default it is in `certificate`.
    """

    sslmode: str | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
