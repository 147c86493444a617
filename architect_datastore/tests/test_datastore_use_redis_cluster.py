"""redis-py's client of a cluster connects with what `for_driver` gives it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from datastore_servers import HOST, STARTUP, free_port, program, started, temporary_folder

SLOTS = 16384  # https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    """The port of a cluster's only node, which has all slots, and a password."""
    with temporary_folder() as folder:
        port, bus = free_port(), free_port()
        settings = {"port": port, "bind": HOST, "save": "", "requirepass": "s3cret"}
        settings |= {"cluster-enabled": "yes", "cluster-port": bus}
        arguments = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        command = [program("redis-server", "valkey-server"), *arguments]
        with started(command, port, folder=folder):
            with redis.Redis(HOST, port, password="s3cret") as node:
                node.execute_command("CLUSTER ADDSLOTS", *range(SLOTS))
                deadline = time.monotonic() + STARTUP
                while node.cluster("INFO")["cluster_state"] != "ok":
                    assert time.monotonic() < deadline, "the cluster is not ready"
                    time.sleep(0.05)
            yield port


@pytest.fixture(params=["fields", "url"])
def db(request: pytest.FixtureRequest, cluster: int, datastore: Any) -> Any:
    if request.param == "url":
        return datastore(url=f"redis://:s3cret@{HOST}:{cluster}?socket_timeout=20")
    return datastore(type="redis", host=HOST, port=cluster, password="s3cret", options={"socket_timeout": 20})


def test_a_cluster_is_used(db):
    with redis.RedisCluster(**db.for_driver("redis")) as client:
        client.mset_nonatomic({f"key-{number}": number for number in range(100)})
        assert client.mget_nonatomic(["key-7", "key-99"]) == [b"7", b"99"]
        assert client.get_node_from_key("key-7").port == db.port


def test_a_cluster_is_used_with_asyncio(db):
    async def run() -> bytes | None:
        async with redis.asyncio.RedisCluster(**db.for_driver("redis")) as client:
            await client.set("key-8", 8)
            return await client.get("key-8")

    assert asyncio.run(run()) == b"8"
