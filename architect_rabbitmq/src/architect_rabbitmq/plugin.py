"""The entry points "events.amqp" and "events.amqps"."""

from __future__ import annotations

from typing import ClassVar

from architect_core import contract
from architect_core.contract import Broker, Capabilities, Channel, DatastoreProvisioner, EventChannel, hookimpl
from architect_core.exceptions import ConfigError

ARCHITECT_CONTRACT = 2

_MAX_BYTES = 16 * 1024 * 1024  # RabbitMQ 4 refuses larger messages, earlier ones those over 128 MiB


class RabbitEvents(contract.EventChannel):
    """Carries events over RabbitMQ."""

    capabilities: ClassVar = Capabilities(orders=True, max_bytes=_MAX_BYTES, max_delay=7 * 24 * 3600.0, per_loop=True)

    def open(self, broker: Broker | None) -> Channel:
        """Returns a channel to the broker."""
        if broker is None:
            raise ConfigError("the environment variable ARCHITECT_EVENTS", [("", "must be the URL of a RabbitMQ")])
        from architect_rabbitmq.channel import RabbitChannel  # imports aio-pika

        return RabbitChannel(broker.credentials.for_driver("aio-pika"), _MAX_BYTES)


@hookimpl
def architect_event_channel() -> EventChannel:
    return RabbitEvents()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    from architect_rabbitmq.provisioner import RabbitProvisioner

    return RabbitProvisioner()
