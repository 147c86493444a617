"""RabbitMQ is what a channel of events must be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import aio_pika
import pytest

from architect_core.contract import Capabilities
from architect_rabbitmq import topology
from architect_testing import EventChannelSuite

URL = "amqp://guest:guest@127.0.0.1:5672"
LEVELS = [1 << number for number in range(10)]


class TestRabbitmqChannel(EventChannelSuite):
    channel = "events.amqp"
    capabilities = Capabilities(orders=True, max_bytes=16 * 1024 * 1024, max_delay=7 * 24 * 3600.0)

    @pytest.fixture
    def broker(self) -> Iterator[str]:
        try:
            socket.create_connection(("127.0.0.1", 5672), timeout=5).close()
        except OSError:
            pytest.skip("no RabbitMQ listens on 127.0.0.1:5672")
        yield URL
        asyncio.run(self.delete())

    async def delete(self) -> None:
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            for topic in self.topics:
                for name in topic.subscribers:
                    queues = [topology.queue_of(name), topology.dead_queue_of(name)]
                    for queue in [*queues, *(topology.retry_queue_of(name, level) for level in LEVELS)]:
                        await channel.queue_delete(queue)
                await channel.exchange_delete(topology.exchange_of(topic.source, topic.event))
