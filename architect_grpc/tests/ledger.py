"""A service that notes what it is asked, in processes of its own, which can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

DEFINITIONS = """
package ledger;
message Word { string text = 1; }
service Ledger {
  rpc Look (Word) returns (Word) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Put (Word) returns (Word) { option idempotency_level = IDEMPOTENT; }
  rpc Post (Word) returns (Word);
}
"""
_SERVER = """
import os, signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import grpc
from architect_core.resolver import Resolver

root, port, notes, address = sys.argv[1:]
config = {"ledger": {"host": "127.0.0.1", "port": 1, "api": "grpc"}}
service = Resolver(config, current_service="ledger", root=root).current_service()

class Ledger(service.Servicer):
    def Look(self, request, context):
        return self.serve("Look", request, context)

    def Put(self, request, context):
        return self.serve("Put", request, context)

    def Post(self, request, context):
        return self.serve("Post", request, context)

    def serve(self, rpc, request, context):
        what = f"{rpc} {request.text}"
        seen = what in Path(notes).read_text().splitlines()
        with open(notes, "a") as file:
            file.write(what + "\\n")
        if "die" in what and not seen:
            os.kill(os.getpid(), signal.SIGKILL)
        if "unavailable" in what:
            context.abort(grpc.StatusCode.UNAVAILABLE, "for now")
        time.sleep(0.2 if "slow" in what else 0.005)
        return service.defs.Word(text=str(os.getpid()))

server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
service.add_servicer(Ledger(), server)
bound = server.add_insecure_port(f"{address}:{port}")
server.start()
print(bound, flush=True)
server.wait_for_termination()
"""


class Outcomes:
    """What those get who call a `Ledger` again and again.

    Attributes:
        looked: the answers to Look.
        failed: the errors of Look.
        lost: how often Post ended with a status.
    """

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.failed: list[grpc.RpcError] = []
        self.lost: Counter[grpc.StatusCode] = Counter()


class Ledger:
    """Its instances.

    Attributes:
        ports: where they listen, in the order of being started.
    """

    def __init__(self, project: Any, folder: Path, *addresses: str, one_port: bool = False) -> None:
        self._project = project
        project.install("ledger", {"ledger.proto": DEFINITIONS})
        self._notes = folder / "notes"
        self._notes.touch()
        self._resolvers: list[Any] = []
        self._addresses = addresses
        first = self._start(addresses[0], 0)
        port = self._listening(first) if one_port else 0
        self._servers = [first, *(self._start(address, port) for address in addresses[1:])]  # side by side
        self.ports = [port or self._listening(first), *(self._listening(server) for server in self._servers[1:])]

    def service(self, host: str | None = None, **options: Any) -> Any:
        """The service, as those who depend on it have it: at all instances, or at a host."""
        instances = [{"host": host, "port": port} for host, port in zip(self._addresses, self.ports, strict=True)]
        entry = {"api": "grpc", "instances": instances, "options": options}
        if host or len(instances) == 1:
            entry |= {**instances[0], **({"host": host} if host else {}), "instances": []}
        self._project.config["ledger"] = entry
        self._resolvers.append(self._project.resolver())
        return self._resolvers[-1].service("ledger")

    def times(self, what: str) -> int:
        """How often it was asked this, such as "Post 7"."""
        return self.notes().count(what)

    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines()

    def kill(self, number: int) -> None:
        self._servers[number].send_signal(signal.SIGKILL)
        self._end(number)

    def restart(self, number: int) -> None:
        self._servers[number] = self._start(self._addresses[number], self.ports[number])
        assert self._listening(self._servers[number]) == self.ports[number]

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is; an AssertionError if that takes more than five seconds."""
        deadline = time.monotonic() + 5
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill_each_in_turn(self, outcomes: Outcomes) -> None:
        """Kill and restart each of three instances while others call, and wait until the new one answers too."""
        for number in range(3):
            self.wait_for(lambda asked=3 + number: len(set(outcomes.looked)) == asked)  # type: ignore[misc]
            self.kill(number)
            time.sleep(0.2)
            self.restart(number)
        self.wait_for(lambda: len(set(outcomes.looked)) == 6)

    def assert_nothing_failed_or_was_done_twice(self, outcomes: Outcomes) -> None:
        assert outcomes.failed == []
        posted = Counter(note for note in self.notes() if note.startswith("Post"))
        assert max(posted.values()) == 1
        assert set(outcomes.lost) <= {grpc.StatusCode.UNAVAILABLE}

    def close(self) -> None:
        for resolver in self._resolvers:
            resolver.close()
        for number in range(len(self._servers)):
            self.kill(number)

    def _start(self, address: str, port: int) -> subprocess.Popen[str]:
        arguments = [str(self._project.root), str(port), str(self._notes), address]
        return subprocess.Popen([sys.executable, "-c", _SERVER, *arguments], stdout=subprocess.PIPE, text=True)

    def _listening(self, server: subprocess.Popen[str]) -> int:
        return int(server.stdout.readline())  # type: ignore[union-attr]

    def _end(self, number: int) -> None:
        self._servers[number].wait()
        self._servers[number].stdout.close()  # type: ignore[union-attr]
