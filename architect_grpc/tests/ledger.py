"""A service that records its calls, with instances in processes of their own, which can be killed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_processes import ServerProcess

from architect_core.resolver import Resolver

DEFINITIONS = """
package ledger;
message Word { string text = 1; }
service Ledger {
  rpc Look (Word) returns (Word) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Put (Word) returns (Word) { option idempotency_level = IDEMPOTENT; }
  rpc Post (Word) returns (Word);
}
"""


def serve(root: str, port: int, notes: str, address: str, connection: Any) -> None:
    """Serve one instance, which appends each call to the file `notes`."""
    config = {"ledger": {"host": "127.0.0.1", "port": 1, "api": "grpc"}}
    service = Resolver(config, current_service="ledger", root=root).current_service()

    class Servicer(service.Servicer):
        def Look(self, request, context):
            return self.serve("Look", request, context)

        def Put(self, request, context):
            return self.serve("Put", request, context)

        def Post(self, request, context):
            return self.serve("Post", request, context)

        def serve(self, rpc, request, context):
            note = f"{rpc} {request.text}"
            is_first = note not in Path(notes).read_text().splitlines()
            with Path(notes).open("a") as file:
                file.write(f"{note}\n")
            if is_first and "die" in note:
                os.kill(os.getpid(), signal.SIGKILL)
            if is_first and "hang" in note:
                time.sleep(10)
            if "unavailable" in note:
                context.abort(grpc.StatusCode.UNAVAILABLE, "for now")
            time.sleep(0.2 if "slow" in note else 0.005)
            return service.defs.Word(text=str(os.getpid()))

    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    service.add_servicer(Servicer(), server)
    bound = server.add_insecure_port(f"{address}:{port}")
    server.start()
    connection.send(bound)
    server.wait_for_termination()


class Outcomes:
    """What repeated calls of a `Ledger` returned.

    Attributes:
        looked: the responses to Look.
        failed: the errors of Look.
        lost: status -> how often Post ended with it.
    """

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.failed: list[grpc.RpcError] = []
        self.lost: Counter[grpc.StatusCode] = Counter()


class Ledger:
    """The service.

    Attributes:
        ports: the ports of its instances, in the order in which they were started.
    """

    def __init__(self, project: Any, folder: Path, *addresses: str, one_port: bool = False) -> None:
        self._project = project
        project.install("ledger", {"ledger.proto": DEFINITIONS})
        self._notes = folder / "notes"
        self._notes.touch()
        self._resolvers: list[Any] = []
        self._addresses = addresses
        first = self._start(addresses[0], 0)
        port = first.port if one_port else 0
        self._servers = [first, *(self._start(address, port) for address in addresses[1:])]  # side by side
        self.ports = [server.port for server in self._servers]

    def service(self, host: str | None = None, **options: Any) -> Any:
        """The service as its callers resolve it: at all instances, or at a host."""
        instances = [{"host": host, "port": port} for host, port in zip(self._addresses, self.ports, strict=True)]
        entry = {"api": "grpc", "instances": instances, "options": options}
        if host or len(instances) == 1:
            entry |= {**instances[0], **({"host": host} if host else {}), "instances": []}
        self._project.config["ledger"] = entry
        self._resolvers.append(self._project.resolver())
        return self._resolvers[-1].service("ledger")

    def times(self, what: str) -> int:
        """How often it served a call, such as "Post 7"."""
        return self.notes().count(what)

    def notes(self) -> list[str]:
        return self._notes.read_text().splitlines()

    def kill(self, number: int) -> None:
        self._servers[number].kill()

    def restart(self, number: int) -> None:
        self._servers[number] = self._start(self._addresses[number], self.ports[number])
        assert self._servers[number].port == self.ports[number]

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is; an AssertionError if that takes more than 30 seconds."""
        deadline = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill_each_in_turn(self, outcomes: Outcomes) -> None:
        """Kill and restart each of three instances under load, and wait until the new one serves calls too."""
        for number in range(3):
            self.wait_for(lambda asked=3 + number: len(set(outcomes.looked)) == asked)  # type: ignore[misc]
            self.kill(number)
            time.sleep(0.2)
            self.restart(number)
        self.wait_for(lambda: len(set(outcomes.looked)) == 6)

    def assert_no_look_failed_and_no_post_was_served_twice(self, outcomes: Outcomes) -> None:
        assert outcomes.failed == []
        posted = Counter(note for note in self.notes() if note.startswith("Post"))
        assert max(posted.values()) == 1
        assert set(outcomes.lost) <= {grpc.StatusCode.UNAVAILABLE}

    def close(self) -> None:
        for resolver in self._resolvers:
            resolver.close()
        for number in range(len(self._servers)):
            self.kill(number)

    def _start(self, address: str, port: int) -> ServerProcess:
        return ServerProcess(serve, str(self._project.root), port, str(self._notes), address)
