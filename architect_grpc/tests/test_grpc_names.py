"""A host that DNS has several addresses for is as many instances, and one that moved is found."""

from __future__ import annotations

import socket
import sys
import threading
import time

import grpc
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux' alone")


@pytest.fixture
def dns():
    """A DNS server: `dns.addresses` is what every name has, `dns.host(port)` a host that it is asked for."""
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


def test_all_addresses_of_a_name_take_turns_and_new_ones_are_found_when_one_is_gone(ledger, dns):
    three = ledger("127.0.0.1", "127.0.0.2", "127.0.0.3", one_port=True)
    dns.addresses = ("127.0.0.1", "127.0.0.2")
    service = three.service(host=dns.host(three.ports[0]))
    ask = service.defs.Word(text="a")
    three.wait_for(lambda: len({service.client.Look(ask).text for _ in range(2)}) == 2)
    before = {service.client.Look(ask).text for _ in range(10)}
    dns.addresses = ("127.0.0.3",)
    three.kill(0)
    three.kill(1)
    ended = time.monotonic() + 8
    while True:
        try:
            moved = service.client.Look(ask).text
        except grpc.RpcError:
            assert time.monotonic() < ended
            time.sleep(0.05)
        else:
            break
    assert len(before) == 2
    assert moved not in before
