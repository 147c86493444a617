"""The pydantic schemas of the configuration and of `architect.json`."""

from architect_core.schema.config import (
    DatastoreConfig,
    Instance,
    ServiceConfig,
    ServiceInstance,
    SubscriptionConfig,
    parse_services,
)
from architect_core.schema.manifest import (
    Api,
    Manifest,
    ManifestDatastore,
    ManifestSubscription,
    Parameter,
    load_manifest,
    parse_manifest,
)
from architect_core.schema.validation import validate

__all__ = [
    "Api", "DatastoreConfig", "Instance", "Manifest", "ManifestDatastore", "ManifestSubscription", "Parameter",
    "ServiceConfig", "ServiceInstance", "SubscriptionConfig", "load_manifest", "parse_manifest", "parse_services",
    "validate",
]  # fmt: skip
