"""MinIO: S3 on another port, and by default without TLS."""

from __future__ import annotations

from architect_core.contract import CredentialParser, hookimpl
from architect_datastore.s3 import s3_parser

ARCHITECT_CONTRACT = 2


@hookimpl
def architect_credential_parser() -> CredentialParser:
    return s3_parser("minio")
