"""The pydantic schemas of the configuration; those of `architect.json` are in `architect_core.schema.manifest`."""

from architect_core.schema.config import (
    DatastoreConfig,
    Instance,
    ServiceConfig,
    ServiceInstance,
    SubscriptionConfig,
    parse_services,
)
from architect_core.schema.validation import validate

__all__ = [
    "DatastoreConfig", "Instance", "ServiceConfig", "ServiceInstance", "SubscriptionConfig", "parse_services",
    "validate",
]  # fmt: skip
