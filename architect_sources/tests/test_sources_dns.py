"""Services are found by SRV records."""

from __future__ import annotations

import socketserver
import threading

import pytest

import architect.sdk as architect
from architect_sources.dns import DnsSource

dns = pytest.importorskip("dns.message", reason="dnspython is not installed")

ZONE = {
    "_http._tcp.billing.acme.example.": ["10 5 8080 b0.example.", "10 50 8081 b1.example.", "20 0 8082 spare.example."],
    "_grpc._tcp.payments.acme.example.": ["0 0 50051 pay.example."],
    "_grpc._tcp.moved.acme.example.": ["0 0 0 ."],
    "_http._tcp.moved.acme.example.": ["0 0 80 real.example."],
    "_http._tcp.gone.acme.example.": ["0 0 0 ."],
}


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        import dns.flags
        import dns.rcode
        import dns.rrset

        asked = dns.message.from_wire(self.request[0])
        answer = dns.message.make_response(asked)
        name = str(asked.question[0].name).lower()
        self.server.asked.append(name)
        if "broken" in name:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name in ZONE:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *ZONE[name]))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        answer.flags |= dns.flags.RA
        self.request[1].sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def server(monkeypatch):
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("ARCHITECT_DNS", "example")
        monkeypatch.setenv("ARCHITECT_DNS_SERVER", f"127.0.0.1:{server.server_address[1]}")
        yield server
        server.shutdown()


def test_records_of_the_lowest_priority_are_the_instances_in_the_order_of_their_weights(server):
    config = architect.service("acme/billing").config
    assert (config.api, config.host, config.port) == ("rest", "http://b1.example", 8081)
    endpoints = [(instance.host, instance.port, instance.weight) for instance in config.instances]
    assert endpoints == [("http://b1.example", 8081, 50), ("http://b0.example", 8080, 5)]


def test_a_record_of_grpc_is_a_grpc_service(server):
    config = architect.service("acme/payments").config
    assert (config.api, config.host, config.port, config.instances) == ("grpc", "grpc://pay.example", 50051, [])


def test_a_service_without_records_is_unknown_and_one_of_another_source_is_not_looked_up(server, monkeypatch):
    with pytest.raises(architect.UnknownServiceError):
        architect.service("acme/other")
    server.asked.clear()
    monkeypatch.setenv("ACME_BILLING_URL", "http://elsewhere:80")
    assert architect.Resolver().service("acme/billing").config.host == "http://elsewhere:80"
    assert server.asked == []


def test_a_record_that_says_that_a_service_is_not_available_is_ignored(server):
    config = architect.service("acme/moved").config
    assert (config.api, config.host, config.port) == ("rest", "http://real.example", 80)
    with pytest.raises(architect.UnknownServiceError):
        architect.service("acme/gone")


def test_a_server_that_fails_is_an_error_and_not_an_unknown_service(server):
    with pytest.raises(
        architect.ConfigError, match=r"the SRV records of example: _grpc\._tcp\.broken\.example cannot be"
    ):
        architect.service("broken")


WRONG = [
    "localhost",
    "dns.google",
    "http://127.0.0.1",
    "a@127.0.0.1",
    "127.0.0.1/x",
    "127.0.0.1:0",
    "1.2.3:53",
    "::1:x",
]


@pytest.mark.parametrize("wrong", [*WRONG, "https://dns.google/dns-query", "[::1", "::1:x", "\ud800"])
def test_a_server_without_an_ip_address_is_an_error(monkeypatch, wrong):
    source = DnsSource({"ARCHITECT_DNS": "example", "ARCHITECT_DNS_SERVER": wrong})
    with pytest.raises(architect.ConfigError) as caught:
        source.load()
    assert str(caught.value) == (
        "the environment variable ARCHITECT_DNS_SERVER: must be an IP address, with a port unless that is 53 "
        "(10.0.0.2:8600)"
    )


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "[::1]:8600", "fe80::1%eth0"])
def test_a_server_is_an_ip_address_of_either_kind(server):
    assert DnsSource({"ARCHITECT_DNS": "example", "ARCHITECT_DNS_SERVER": server}).load().services == {}


@pytest.fixture
def no_system_server(monkeypatch, tmp_path):
    """dnspython reads an empty file instead of /etc/resolv.conf."""
    import dns.resolver

    (tmp_path / "resolv.conf").touch()
    monkeypatch.setattr(dns.resolver.Resolver.__init__, "__defaults__", (str(tmp_path / "resolv.conf"), True))


def test_without_a_server_the_error_says_what_to_set(no_system_server):
    for more in ({}, {"ARCHITECT_DNS_SERVER": ""}):
        with pytest.raises(architect.ConfigError, match="the system names no DNS server; set ARCHITECT_DNS_SERVER to"):
            DnsSource({"ARCHITECT_DNS": "example", **more}).load()


def test_without_its_library_the_error_says_what_to_install(server, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    with pytest.raises(architect.ConfigError, match=r"pip install 'architect-sources\[dns\]'"):
        architect.service("acme/billing")
