"""The payments service: gRPC, with a limit that is a parameter of the service."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor

import grpc

import architect.sdk as architect

LIMIT = int(os.environ["LIMIT_EUR"]) * 100

service = architect.current_service()


class Payments(service.Servicer):
    """Implements payments.proto."""

    def Pay(self, request, context):
        euros = f"{request.cents / 100:.2f} EUR"
        if request.cents > LIMIT:
            print(f"{request.reference}: {euros} declined")
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{euros} is over the limit of {LIMIT / 100:.2f}")
        response = service.defs.PayResponse(receipt=secrets.token_hex(3))
        response.at.GetCurrentTime()
        print(f"{request.reference}: {euros} taken, receipt {response.receipt}")
        return response


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4))
    service.add_servicer(Payments(), server)
    server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
    server.start()
    server.wait_for_termination()
