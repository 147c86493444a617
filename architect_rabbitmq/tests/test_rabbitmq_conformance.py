"""RabbitMQ is what a channel of events must be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from rabbit_tools import LEVELS, URL, bare

from architect_core.contract import Capabilities
from architect_rabbitmq import topology
from architect_testing import EventChannelSuite


class TestRabbitmqChannel(EventChannelSuite):
    channel = "events.amqp"
    capabilities = Capabilities(orders=True, max_bytes=16 * 1024 * 1024, max_delay=7 * 24 * 3600.0, per_loop=True)

    @pytest.fixture
    def broker(self, server: tuple[str, int]) -> Iterator[str]:
        yield URL
        asyncio.run(self.delete())

    async def delete(self) -> None:
        async with bare() as channel:
            for topic in self.topics:
                for name in topic.subscribers:
                    queues = [topology.queue_of(name), topology.dead_queue_of(name)]
                    for queue in [*queues, *(topology.retry_queue_of(name, level) for level in LEVELS)]:
                        await channel.queue_delete(queue)
                await channel.exchange_delete(topology.exchange_of(topic.source, topic.event))
