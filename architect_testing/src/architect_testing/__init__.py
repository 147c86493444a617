"""Checks what a plugin must do to work with architect and with other plugins, as pytest suites to subclass.

Each suite's docstring says what a subclass must define. Checks that do not apply to what a subclass defines are removed
from it. To remove one that a plugin cannot pass for a good reason, set it to None: `test_... = None`. Pass
`abstract=True` to a class that only other suites inherit from: `class LineClients(ClientFactorySuite, abstract=True)`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from architect_testing.conformance import (
        AioClientSuite,
        ClientFactorySuite,
        CredentialParserSuite,
        EventChannelSuite,
        EventDeliverySuite,
        SourceSuite,
        assert_hidden,
    )

__all__ = [
    "AioClientSuite",
    "ClientFactorySuite",
    "CredentialParserSuite",
    "EventChannelSuite",
    "EventDeliverySuite",
    "SourceSuite",
    "assert_hidden",
]


def __getattr__(name: str) -> object:
    from architect_core.lazy import load

    return load(__name__, dict.fromkeys(__all__, "architect_testing.conformance"), name)
