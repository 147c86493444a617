"""MinIO: S3 on another port, and by default without TLS."""

from __future__ import annotations

from architect_datastore.s3 import s3_parser

PARSER = s3_parser("minio")
