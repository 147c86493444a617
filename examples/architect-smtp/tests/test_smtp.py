import smtplib

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from architect_core.resolver import Resolver
from architect_testing import ClientFactorySuite, CredentialParserSuite


class MailServer(Controller):
    def __init__(self):
        self.mails = []
        super().__init__(self, "127.0.0.1", 0, authenticator=self.authenticate, auth_require_tls=False)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def authenticate(self, server, session, envelope, mechanism, login):
        return AuthResult(success=login.password != b"wrong", handled=False)

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, session.authenticated))
        return "250 Taken"


@pytest.fixture
def server():
    server = MailServer()
    server.start()
    yield server
    server.stop()


class TestSmtpClients(ClientFactorySuite):
    api = "smtp"
    errors = (OSError,)  # of which smtplib.SMTPException is one

    @pytest.fixture
    def entry(self, server):
        return {"host": "127.0.0.1", "port": server.port, "options": {"timeout": 1}}

    def call(self, client):
        assert client.noop()[0] == 250


class TestSmtpCredentials(CredentialParserSuite):
    engine = "smtp"
    default_port = 587
    url_scheme = "smtp"

    @pytest.fixture
    def entry(self):
        return {"host": "relay"}


def test_a_mail_arrives_also_when_the_connection_was_lost(server):
    entry = {"host": "smtp://ada:p%40ss@127.0.0.1", "port": server.port, "api": "smtp"}
    client = Resolver({"relay": entry}).service("relay").client
    client.sendmail("shop@example.org", ["ada@example.org"], "Subject: Hello")
    client.sock.close()
    client.sendmail("shop@example.org", ["ada@example.org"], "Subject: Again")
    assert server.mails == [(["ada@example.org"], True)] * 2
    client.close()


def test_a_wrong_password_is_told_as_smtplib_tells_it(server):
    entry = {"host": "ada:wrong@127.0.0.1", "port": server.port, "api": "smtp"}
    with pytest.raises(smtplib.SMTPAuthenticationError):
        Resolver({"relay": entry}).service("relay").client.noop()
