"""MinIO, which is S3 without TLS on a port of its own, unless the options say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import hookimpl
from architect_datastore.s3 import S3Parser

if TYPE_CHECKING:
    from architect_core.contract import CredentialParser

ARCHITECT_CONTRACT = 1


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return S3Parser("minio")
