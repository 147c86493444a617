"""The pydantic schemas of what the environment and `architect.json` hold."""

from architect_core.schema.config import (
    DatastoreConfig,
    HeaderName,
    HeaderValue,
    Host,
    Instance,
    Port,
    Protocol,
    ServiceConfig,
    ServiceInstance,
    ServiceName,
    SubscriptionConfig,
    Text,
    Uri,
    parse_services,
)
from architect_core.schema.manifest import (
    Api,
    Manifest,
    ManifestDatastore,
    ManifestSubscription,
    Parameter,
    ParameterName,
    load_manifest,
    parse_manifest,
)
from architect_core.schema.strict import Strict
from architect_core.schema.validation import validate

__all__ = [
    "Api",
    "DatastoreConfig",
    "HeaderName",
    "HeaderValue",
    "Host",
    "Instance",
    "Manifest",
    "ManifestDatastore",
    "ManifestSubscription",
    "Parameter",
    "ParameterName",
    "Port",
    "Protocol",
    "ServiceConfig",
    "ServiceInstance",
    "ServiceName",
    "Strict",
    "SubscriptionConfig",
    "Text",
    "Uri",
    "load_manifest",
    "parse_manifest",
    "parse_services",
    "validate",
]
