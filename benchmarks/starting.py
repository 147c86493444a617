"""What the first call of a process costs, imports included, and the memory that a client takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

from measure import Comparison, compare, compare_reported
from processes import children_seconds, echo_project, python, serving

_CLIENTS = 1000
_WITH_SCHEMA = "from pydantic import BaseModel; type('M', (BaseModel,), {'__annotations__': {'a': int}})(a=1); "
_REST = "import architect.sdk as architect; architect.service('acme/billing').client.get('/x')"
_REST_BARE = "import requests; requests.Session().get('http://127.0.0.1:PORT/x', timeout=10)"
_GRPC = "import architect.sdk as architect; s = architect.service('acme/echo'); s.client.Say(s.defs.Word(text='hello'))"
_GRPC_BARE = """
import grpc, bench_echo_pb2, bench_echo_pb2_grpc
bench_echo_pb2_grpc.EchoStub(grpc.insecure_channel('127.0.0.1:PORT')).Say(bench_echo_pb2.Word(text='hello'))
"""

# the first client is not measured, because it imports its library; the resident memory is where Linux has it
_MEMORY = f"""
import gc, os
def used(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
gc.collect()
kept = [make(0)]
before = used()
kept += [make(number) for number in range(1, {_CLIENTS + 1})]
print((used() - before) / {_CLIENTS})
"""
_REST_CLIENT = f"""
import architect.sdk as architect
config = {{f"acme/s{{n}}": {{"host": "http://h", "port": 1, "api": "rest"}} for n in range({_CLIENTS + 1})}}
architect.configure(config)
def make(number): return architect.service(f"acme/s{{number}}").client
"""
_SESSION = """
import requests
def make(number): return requests.Session()
"""
_GRPC_CLIENT = """
import architect.sdk as architect
clients = architect.service("acme/echo").generation.use()
def make(number): return clients.factory.client(clients.target)
"""
_CHANNEL = """
import grpc, bench_echo_pb2_grpc
def make(number): return bench_echo_pb2_grpc.EchoStub(grpc.insecure_channel("h:1"))
"""


def first_calls() -> Iterator[Comparison]:
    """Whole processes: resolve, import, connect, call; and the same with pydantic, which reads the configuration."""
    measured: Callable[..., Comparison] = partial(compare, repeat=1, rounds=9, clock=children_seconds)
    with serving("http") as (port,):
        entry = {"host": "127.0.0.1", "port": port, "api": "rest"}
        ours = python(_REST, ARCHITECT=json.dumps({"acme/billing": entry}))
        bare = _REST_BARE.replace("PORT", str(port))
        yield measured("first REST call of a process / requests.Session", ours, python(bare), target=1.15)
        yield measured("first REST call / requests.Session and a pydantic model", ours, python(_WITH_SCHEMA + bare))
    with serving("grpc") as (port,), echo_project() as root:
        entry = {"host": "127.0.0.1", "port": port, "api": "grpc"}
        ours = python(_GRPC, ARCHITECT=json.dumps({"acme/echo": entry}), ARCHITECT_SERVICE_ROOT=str(root))
        bare = _GRPC_BARE.replace("PORT", str(port))
        path = {"PYTHONPATH": str(root)}
        yield measured("first gRPC call of a process / raw stub", ours, python(bare, **path), target=1.15)
        yield measured("first gRPC call / raw stub and a pydantic model", ours, python(_WITH_SCHEMA + bare, **path))


def memory() -> Iterator[Comparison]:
    """The resident memory of a client that has not been used yet, of a thousand."""

    def taken(client: str, **environ: str) -> Callable[[], float]:
        run = python(client + _MEMORY, **environ)
        return lambda: float(run())

    yield compare_reported(
        "memory of a REST client / requests.Session", taken(_REST_CLIENT), taken(_SESSION), rounds=5, is_memory=True
    )
    with echo_project() as root:
        config = json.dumps({"acme/echo": {"host": "h", "port": 1, "api": "grpc"}})
        ours = taken(_GRPC_CLIENT, ARCHITECT=config, ARCHITECT_SERVICE_ROOT=str(root))
        bare = taken(_CHANNEL, PYTHONPATH=str(root))
        yield compare_reported("memory of a gRPC client / channel and stub", ours, bare, rounds=5, is_memory=True)
