"""The entry point "smtp"."""

from __future__ import annotations

from pydantic import PositiveFloat

from architect_core.contract import ClientFactory, CredentialParser, Options, Target, hookimpl
from architect_datastore.kit import NetworkParser
from architect_smtp.client import MailClient

ARCHITECT_CONTRACT = 2


class SmtpOptions(Options):
    timeout: PositiveFloat = 10.0  # seconds
    starttls: bool = False


class SmtpClientFactory(ClientFactory):
    Options = SmtpOptions

    def client(self, target: Target) -> MailClient:
        address, options = target.address(), target.options
        if address.scheme not in {"", "smtp"} or address.path:
            raise target.error("host", "a mail server's host starts with smtp:// or no scheme, and has no path")
        login = None if address.username is None else (address.username, address.password or "")
        return MailClient(address.host, address.port or 25, options.timeout, login, starttls=options.starttls)


@hookimpl
def architect_client_factory() -> ClientFactory:
    return SmtpClientFactory()


@hookimpl
def architect_credential_parser() -> CredentialParser:
    return NetworkParser("smtp", 587, schemes={"smtp": "smtp"})
