"""What a plugin must do to get on with architect and with other plugins, as pytest suites to subclass.

    from architect_core.testing import ClientFactorySuite

    class TestSmtpClients(ClientFactorySuite):
        api = "smtp"
        errors = (OSError,)

        @pytest.fixture
        def entry(self, server):
            return {"host": "127.0.0.1", "port": server.port}

        def call(self, client):
            client.noop()

Each suite's docstring says what is to be stated. A subclass does not have the checks that do not apply to what it
states. One that a plugin cannot pass for a good reason is taken out by its name: `test_... = None`. A class between a
suite and those that pytest runs is made with `abstract=True`: `class LineClients(ClientFactorySuite, abstract=True)`.

It needs pytest: `pip install 'architect-core[testing]'`.
"""

from __future__ import annotations

try:
    import pytest
except ModuleNotFoundError as problem:
    raise ImportError("architect_core.testing needs pytest: pip install 'architect-core[testing]'") from problem

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

from architect_core.testing.aio_client import AioClientSuite  # noqa: E402
from architect_core.testing.canary import assert_hidden  # noqa: E402
from architect_core.testing.client_factory import ClientFactorySuite  # noqa: E402
from architect_core.testing.credential_parser import CredentialParserSuite  # noqa: E402
from architect_core.testing.event_publisher import EventPublisherSuite  # noqa: E402
from architect_core.testing.source import SourceSuite  # noqa: E402

__all__ = [
    "AioClientSuite",
    "ClientFactorySuite",
    "CredentialParserSuite",
    "EventPublisherSuite",
    "SourceSuite",
    "assert_hidden",
]
