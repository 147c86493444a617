"""Amazon DynamoDB, and the servers that speak its protocol."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from architect_core.contract import DatastoreTarget
from architect_core.plugins.known import port_of
from architect_datastore.aws import CLIENTS, RegionParser, region_client

_TABLE = re.compile(r"[A-Za-z0-9_.-]{1,255}", re.ASCII)


class DynamodbParser(RegionParser):
    """Credentials for boto3: `boto3.resource("dynamodb", **db.for_driver("boto3"))`.

    The host is the region, the username the access key's id, the password the secret key, and the name a table, or a
    prefix for the names of tables. A URL is `dynamodb://region`, or `dynamodb://id:secret@region/table`.
    """

    keys_of_aws: ClassVar = {"host": "region", "name": "table"}

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the host is no region, or the name no table's."""
        super().check(fields, target)
        if not _TABLE.fullmatch(fields.get("name", "table")):
            raise target.error("name", "must be the name of a table: at most 255 letters, digits, '-', '_' and '.'")


PARSER = DynamodbParser(
    "dynamodb", port_of("dynamodb"), {"dynamodb": "dynamodb"}, drivers=dict.fromkeys(CLIENTS, region_client)
)
