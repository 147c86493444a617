"""Calls are balanced across the instances that can be reached, and retried only if their rpc is idempotent."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import Counter
from pathlib import Path

import grpc
import pytest
from ledger import Outcomes

from architect_core.exceptions import ConfigError


def code_of(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    return caught.value.code()


def test_idempotent_calls_succeed_and_others_are_sent_once_while_each_instance_is_killed(ledger):
    three = ledger("127.0.0.1", "127.0.0.1", "127.0.0.1")
    service = three.service()
    client, word = service.client, service.defs.Word
    over, outcomes = threading.Event(), Outcomes()

    def load(thread):
        number = 0
        while not over.is_set():
            number += 1
            try:
                outcomes.looked.append(client.Look(word(text="a")).text)
            except grpc.RpcError as problem:
                outcomes.failed.append(problem)
            try:
                client.Post(word(text=f"{thread}/{number}"))
            except grpc.RpcError as problem:
                outcomes.lost[problem.code()] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        three.kill_each_in_turn(outcomes)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    three.assert_no_look_failed_and_no_post_was_served_twice(outcomes)


def test_a_call_whose_response_is_lost_is_retried_only_if_its_rpc_is_idempotent(ledger):
    three = ledger("127.0.0.1", "127.0.0.1", "127.0.0.1")
    service = three.service()
    client, word = service.client, service.defs.Word
    assert code_of(client.Post, word(text="die")) is grpc.StatusCode.UNAVAILABLE
    assert three.times("Post die") == 1
    assert client.Put(word(text="die")).text
    assert three.times("Put die") == 2


def test_all_calls_in_progress_at_a_killed_instance_are_retried(ledger):
    two = ledger("127.0.0.1", "127.0.0.1")
    service = two.service()
    client, word = service.client, service.defs.Word
    two.wait_for(lambda: len({client.Look(word(text="a")).text for _ in range(2)}) == 2)
    asked = [client.Look.future(word(text="slow")) for _ in range(40)]
    two.wait_for(lambda: two.times("Look slow") > 10)
    two.kill(0)
    assert {each.result().text for each in asked} >= {client.Look(word(text="a")).text}


def test_an_idempotent_call_is_retried_as_often_as_the_option_retries_says(ledger):
    one = ledger("127.0.0.1")
    for retries, sent in ((2, 3), (1, 2), (0, 1)):
        service = one.service(retries=retries)
        for rpc in (service.client.Look, service.client.Put):
            assert code_of(rpc, service.defs.Word(text=f"unavailable {retries}")) is grpc.StatusCode.UNAVAILABLE
        assert one.times(f"Look unavailable {retries}") == one.times(f"Put unavailable {retries}") == sent
    service = one.service()
    assert code_of(service.client.Post, service.defs.Word(text="unavailable")) is grpc.StatusCode.UNAVAILABLE
    assert one.times("Post unavailable") == 1


def test_retries_of_a_failing_service_are_throttled(ledger):
    one = ledger("127.0.0.1")
    service = one.service(retries=4, total_timeout=5)
    asked = [service.client.Look.future(service.defs.Word(text="unavailable")) for _ in range(200)]
    for each in asked:
        assert each.exception() is not None
    assert 200 < one.times("Look unavailable") < 300


def test_calls_go_to_instances_in_turn(ledger):
    three = ledger("127.0.0.1", "127.0.0.1", "127.0.0.1")
    service = three.service()
    ask = service.defs.Word(text="a")
    three.wait_for(lambda: len({service.client.Look(ask).text for _ in range(3)}) == 3)  # all are connected
    served = Counter(service.client.Look(ask).text for _ in range(30))
    assert sorted(served.values()) == [10, 10, 10]


def test_the_host_of_instances_may_be_localhost(ledger):
    two = ledger("localhost", "localhost")
    service = two.service()
    ask = service.defs.Word(text="a")
    two.wait_for(lambda: len({service.client.Look(ask).text for _ in range(2)}) == 2)


def test_calls_succeed_after_a_restart_of_the_service(ledger):
    one = ledger("127.0.0.1")
    service = one.service()
    ask = service.defs.Word(text="a")
    assert service.client.Look(ask).text
    one.kill(0)
    assert code_of(service.client.Post, ask) is grpc.StatusCode.UNAVAILABLE
    one.restart(0)

    def is_served():
        try:
            return bool(service.client.Post(ask).text)
        except grpc.RpcError:
            return False

    one.wait_for(is_served)


@pytest.mark.skipif(not socket.has_ipv6, reason="this system has no IPv6")
def test_instances_may_have_ipv4_and_ipv6_addresses(ledger):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this system has no IPv6")
    two = ledger("127.0.0.1", "[::1]")
    service = two.service()
    ask = service.defs.Word(text="a")
    two.wait_for(lambda: len({service.client.Look(ask).text for _ in range(2)}) == 2)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads options of sockets in /proc")
def test_a_connection_is_closed_when_data_is_not_acknowledged_for_20_seconds(ledger):
    one = ledger("127.0.0.1")
    service = one.service()
    service.client.Look(service.defs.Word(text="a"))
    found = []
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            with socket.socket(fileno=os.dup(int(descriptor.name))) as own:
                if own.getpeername()[1] == one.ports[0]:
                    found.append(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        except (OSError, IndexError):
            continue
    assert found == [20_000]


@pytest.mark.parametrize(
    ("instances", "path", "reason"),
    [
        (
            [{"host": "10.0.0.1", "port": 1}, {"host": "b.internal", "port": 1}],
            r"\[1\]\.host",
            "instead of `instances` a",
        ),
        ([{"host": "10.0.0.1", "port": 1}, {"host": "10.0.0.2"}], r"\[1\]\.port", "is missing"),
        ([{"host": "10.0.0.1/v1", "port": 1}, {"host": "10.0.0.2", "port": 1}], r"\[0\]\.host", "has no path"),
        ([{"host": "10.0.0.1", "port": 1}, {"host": "http://[b", "port": 1}], r"\[1\]\.host", "brackets"),
        ([{"port": 1}, {"host": "10.0.0.1", "port": 1}], r"\[0\]\.host", "is empty"),
    ],
)
def test_an_instance_that_grpc_cannot_address_is_an_error_with_its_path(project, instances, path, reason):
    project.install("payments", {"a.proto": "package a; service A {}"})
    project.config["payments"] = {"api": "grpc", "host": "10.0.0.1", "instances": instances}
    with pytest.raises(ConfigError, match=rf"payments\.instances{path}: .*{reason}"):
        _ = project.resolver().service("payments").client


def test_instances_of_two_schemes_are_an_error(project):
    project.install("payments", {"a.proto": "package a; service A {}"})
    instances = [{"host": "grpc://10.0.0.1", "port": 1}, {"host": "grpcs://10.0.0.2", "port": 1}]
    project.config["payments"] = {"api": "grpc", "instances": instances}
    with pytest.raises(ConfigError, match=r"payments\.instances: .*the same scheme"):
        _ = project.resolver().service("payments").client


@pytest.mark.parametrize("retries", [-1, 5, 1.5])
def test_a_number_of_retries_outside_grpc_s_range_is_an_error_with_its_path(project, retries):
    project.install("payments", {"a.proto": "package a; service A {}"})
    project.config["payments"]["options"] = {"retries": retries}
    with pytest.raises(ConfigError, match=r"payments\.options\.retries: "):
        _ = project.resolver().service("payments").client
