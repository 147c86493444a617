"""Whether a gRPC service is ready for calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core import contract
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from architect_core.contract import Listener


class GrpcReadiness(contract.Options):
    """`api.readiness` of a gRPC service's manifest.

    Attributes:
        service: the service whose health is checked (grpc.health.v1), such as "acme.v1.Payments", or "" for the whole
            server. Without it, a service is ready when it listens.
    """

    service: str | None = None


class GrpcReadinessProbe(contract.ReadinessProbe):
    """Calls a server's health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""

    Options = GrpcReadiness

    def is_ready(self, listener: Listener, timeout: float) -> bool:
        """Call it once.

        Raises:
            RunError: the server has no health service, or the package with its client is not installed.
        """
        service = listener.options.service
        if service is None:
            return True
        import grpc

        try:
            from grpc_health.v1 import health_pb2, health_pb2_grpc
        except ImportError:
            raise RunError(f"the `readiness` of {listener.name}: pip install 'architect-grpc[tools]'") from None
        options = [("grpc.enable_http_proxy", 0)]  # the environment's proxy is for other machines
        with grpc.insecure_channel(f"{listener.host}:{listener.port}", options) as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)  # type: ignore[attr-defined]
            except grpc.RpcError as problem:
                if problem.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    return False  # such as UNAVAILABLE and NOT_FOUND, which mean not yet
            else:
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
        raise RunError(
            f"{listener.name} has no health service (grpc.health.v1), which `readiness` in its architect.json asks. "
            "Add one with grpcio-health-checking, or take `readiness` out"
        )
