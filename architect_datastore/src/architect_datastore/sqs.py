"""Amazon SQS and SNS, and the servers that speak their protocols."""

from __future__ import annotations

import re
from typing import Any

from architect_core.contract import DatastoreTarget
from architect_core.plugins.known import port_of
from architect_datastore.aws import CLIENTS, RegionParser, region_client

_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)


class SqsParser(RegionParser):
    """Credentials for boto3: `boto3.client("sqs", **db.for_driver("boto3"))`.

    The host is the region, the username the access key's id, the password the secret key; without them boto3 finds its
    own: in the environment, in AWS' files, or those of the machine's role. The name is a prefix for the names of queues
    and topics, for applications that have one. A URL is `sqs://region`, or `sqs://id:secret@region/prefix`.
    """

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the host is no region, or the name no prefix of a queue's."""
        super().check(fields, target)
        if not _PREFIX.fullmatch(fields.get("name", "prefix")):
            raise target.error("name", "the prefix must have at most 20 letters, digits, '-' and '_'")


PARSER = SqsParser("sqs", port_of("sqs"), {"sqs": "sqs"}, drivers=dict.fromkeys(CLIENTS, region_client))
