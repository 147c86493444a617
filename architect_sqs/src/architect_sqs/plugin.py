"""The entry point "events.sqs": `ARCHITECT_EVENTS=sqs://eu-central-1`."""

from __future__ import annotations

from architect_core import contract
from architect_core.contract import Broker, Capabilities, Channel, DatastoreProvisioner, EventChannel, hookimpl
from architect_core.exceptions import ConfigError
from architect_sqs.queue import MAX_DELAY
from architect_sqs.topology import LEASE
from architect_sqs.wire import MAX_BYTES

ARCHITECT_CONTRACT = 2

_PREFIX = "architect"


class SqsEventChannel(contract.EventChannel):
    """Carries events over SNS, from which each subscriber's queues in SQS get them."""

    capabilities = Capabilities(
        orders=True, holds_back=True, max_bytes=MAX_BYTES, max_delay=MAX_DELAY, lease=LEASE, batch=100
    )

    def open(self, broker: Broker | None) -> Channel:
        """Returns a channel of the region; the name in the URL, `sqs://region/name`, is the prefix of all names."""
        from architect_sqs.channel import SqsChannel

        if broker is None:
            raise ConfigError("the environment variable ARCHITECT_EVENTS", [("", "must name a region: sqs://region")])
        return SqsChannel(broker.credentials.for_driver("boto3"), broker.credentials.name or _PREFIX)


@hookimpl
def architect_event_channel() -> EventChannel:
    return SqsEventChannel()


@hookimpl
def architect_datastore_provisioner() -> DatastoreProvisioner:
    from architect_sqs.provisioner import SqsProvisioner

    return SqsProvisioner()
