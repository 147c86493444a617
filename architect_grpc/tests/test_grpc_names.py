"""Calls go to all addresses that DNS has for a host, and follow a change of these."""

from __future__ import annotations

import socket
import sys
import threading

import grpc
import pytest

from architect_grpc import channel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux' alone")


@pytest.fixture
def dns():
    """A DNS server that has `dns.addresses` for every name; `dns.host(port)` is a host that it resolves."""
    from dns import flags, message, rdataclass, rdatatype, rrset

    class Server:
        addresses: tuple[str, ...] = ()

        def __init__(self):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))

        def host(self, port):
            return f"dns://127.0.0.1:{self.socket.getsockname()[1]}/ledger.internal:{port}"

        def serve(self):
            while True:
                text, client = self.socket.recvfrom(4096)
                if not text:
                    return
                asked = message.from_wire(text)
                answer, question = message.make_response(asked), asked.question[0]
                answer.flags |= flags.AA
                if question.rdtype == rdatatype.A:
                    answer.answer.append(rrset.from_text(question.name, 0, rdataclass.IN, "A", *self.addresses))
                self.socket.sendto(answer.to_wire(), client)

    server = Server()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.socket.sendto(b"", server.socket.getsockname())
    thread.join()
    server.socket.close()


def test_calls_are_balanced_across_all_addresses_of_a_host_and_follow_a_change_of_them(ledger, dns, monkeypatch):
    monkeypatch.setitem(channel.CONNECTING, "grpc.dns_min_time_between_resolutions_ms", 200)  # and not 5 seconds
    three = ledger("127.0.0.1", "127.0.0.2", "127.0.0.3", one_port=True)
    dns.addresses = ("127.0.0.1", "127.0.0.2")
    service = three.service(host=dns.host(three.ports[0]))
    ask = service.defs.Word(text="a")
    three.wait_for(lambda: len({service.client.Look(ask).text for _ in range(2)}) == 2)
    before = {service.client.Look(ask).text for _ in range(10)}
    assert len(before) == 2
    dns.addresses = ("127.0.0.3",)
    three.kill(0)
    three.kill(1)

    def moved():
        try:
            return service.client.Look(ask).text not in before
        except grpc.RpcError:
            return False

    three.wait_for(moved)


def test_a_channel_reconnects_and_queries_dns_at_most_every_five_seconds(project, monkeypatch):
    opened = []
    monkeypatch.setattr(grpc, "insecure_channel", lambda name, options: opened.append(dict(options)))
    project.install("payments", {"a.proto": "package a; service A {}"})
    _ = project.resolver().service("payments").client
    names = ("max_reconnect_backoff_ms", "min_reconnect_backoff_ms", "dns_min_time_between_resolutions_ms")
    assert [opened[0][f"grpc.{name}"] for name in names] == [5000] * 3
