"""The conformance suites."""

from __future__ import annotations

import pytest

# before the import, so that pytest shows the values of a failed assert
for _module in (
    "aio_client",
    "channel",
    "channel_broker",
    "channel_messages",
    "client",
    "client_factory",
    "credential_parser",
    "event_channel",
    "event_delivery",
    "source",
    "suite",
):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from architect_testing.conformance.aio_client import AioClientSuite  # noqa: E402 - see above
from architect_testing.conformance.client_factory import ClientFactorySuite  # noqa: E402 - see above
from architect_testing.conformance.credential_parser import CredentialParserSuite  # noqa: E402 - see above
from architect_testing.conformance.event_channel import EventChannelSuite  # noqa: E402 - see above
from architect_testing.conformance.event_delivery import EventDeliverySuite  # noqa: E402 - see above
from architect_testing.conformance.source import SourceSuite  # noqa: E402 - see above
from architect_testing.tools.canary import assert_hidden  # noqa: E402 - see above

__all__ = [
    "AioClientSuite",
    "ClientFactorySuite",
    "CredentialParserSuite",
    "EventChannelSuite",
    "EventDeliverySuite",
    "SourceSuite",
    "assert_hidden",
]
