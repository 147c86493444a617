"""The conformance suites."""

from __future__ import annotations

import pytest

# before they are imported, so that their asserts tell what they compared
pytest.register_assert_rewrite(
    f"{__name__}.aio_client",
    f"{__name__}.client_factory",
    f"{__name__}.client_subject",
    f"{__name__}.client_use",
    f"{__name__}.credential_parser",
    f"{__name__}.credential_use",
    f"{__name__}.deliveries",
    f"{__name__}.event_publisher",
    f"{__name__}.source",
    f"{__name__}.suite",
)

from architect_testing.conformance.aio_client import AioClientSuite  # noqa: E402
from architect_testing.conformance.canary import assert_hidden  # noqa: E402
from architect_testing.conformance.client_factory import ClientFactorySuite  # noqa: E402
from architect_testing.conformance.credential_parser import CredentialParserSuite  # noqa: E402
from architect_testing.conformance.event_publisher import EventPublisherSuite  # noqa: E402
from architect_testing.conformance.source import SourceSuite  # noqa: E402

__all__ = [
    "AioClientSuite",
    "ClientFactorySuite",
    "CredentialParserSuite",
    "EventPublisherSuite",
    "SourceSuite",
    "assert_hidden",
]
