"""Redis and Valkey (https://www.iana.org/assignments/uri-schemes/prov/redis)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.hookspecs import hookimpl
from architect_core.network import NetworkParser

if TYPE_CHECKING:
    from architect_core.contract import CredentialParser, DatastoreProvisioner, DatastoreTarget

ARCHITECT_CONTRACT = 1


class RedisParser(NetworkParser):
    """Credentials for redis-py: `redis.Redis.from_url(db.url)`. The name is a number, "0" unless stated."""

    def __init__(self) -> None:
        super().__init__("redis", 6379, {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"})

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """A Redis database has a number for a name."""
        fields.setdefault("name", "0")
        if not (fields["name"].isascii() and fields["name"].isdigit()):
            raise target.error("name", "must be the number of a Redis database, such as 0")


@hookimpl
def architect_credential_parser() -> CredentialParser:
    """Reads credentials."""
    return RedisParser()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    """Starts a server for `architect run`."""
    from architect_datastore.redis_server import RedisProvisioner

    return RedisProvisioner()
