"""The pydantic schemas of the configuration; those of `architect.json` are in `architect_core.schema.manifest`."""

from architect_core.schema.base import validate

from architect_core.schema.config import (  # isort: skip
    DatastoreConfig, Instance, ServiceConfig, ServiceInstance, SubscriptionConfig, parse_services,
)  # fmt: skip

__all__ = [
    "DatastoreConfig", "Instance", "ServiceConfig", "ServiceInstance", "SubscriptionConfig", "parse_services",
    "validate",
]  # fmt: skip
