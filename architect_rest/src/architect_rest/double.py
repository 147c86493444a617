"""Stands in for a REST service in the tests of an application, without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from architect_core.contract import Double, DoubleFactory
from architect_rest.double_table import Table, UnansweredError
from architect_rest.double_wsgi import answer, environ_of, read_body
from architect_rest.origin import origin_sent_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication

    import requests
    import urllib3

    from architect_core.contract import DoubleTarget


class RestDoubleFactory(DoubleFactory):
    """Stands in for REST services.

    What one does is said by a WSGI application, or by a table of answers.

        {
            "GET /invoices/7": {"paid": False},                        # 200 with JSON
            "GET /invoices/:number": (404, {"error": "unknown"}),      # any other number
            "GET /invoices?paid=no": [],                               # only with this query
            "PUT /invoices/7": lambda request: json.loads(request.body),
            "POST /invoices": (303, "", {"Location": "/invoices/8"}),
            "GET /report.txt": "a text",                               # text/plain; bytes as they are
            "DELETE /invoices/7": requests.ConnectTimeout(),           # raised, as by the network
        }

    A path is without the service's base path. Of the rows that fit, one with a query goes before one without, one with
    fewer placeholders before one with more, and the first before the others. The table may be changed while the test
    runs.
    """

    def double(self, target: DoubleTarget) -> RestDouble:
        """A stand-in.

        Raises:
            TypeError: the behaviour is neither a WSGI application nor a table, or a row of the table is malformed.
        """
        behaviour = target.behaviour
        if isinstance(behaviour, Mapping):
            return RestDouble(target.name, Table(behaviour, target.name))
        if iscoroutinefunction(behaviour) or iscoroutinefunction(getattr(behaviour, "__call__", None)):  # noqa: B004 - which it is
            raise TypeError(
                f"the double of {target.name} is given an ASGI application; give a WSGI application, such as "
                "a2wsgi.ASGIMiddleware(application), or a table of answers"
            )
        if callable(behaviour):
            return RestDouble(target.name, behaviour)
        raise TypeError(
            f"the double of {target.name} is given a {type(behaviour).__name__}; give a WSGI application, or a table "
            'of answers: {"GET /invoices/7": {"paid": False}}'
        )


class RestDouble(Double):
    """One stand-in.

    Attributes:
        requests: the `requests.PreparedRequest`s that were sent; a body that is read only once is bytes in them.
    """

    def __init__(self, name: str, application: WSGIApplication) -> None:
        # .invalid (RFC 6761) is nobody's: what does not go through the double goes nowhere
        super().__init__({"host": f"http://{name.replace('/', '.')}.invalid"})
        self.name = name
        self.application = application
        self.closed = False

    def client(self, make: Callable[[], Any]) -> Any:
        """The protocol's own client, whose requests are answered here, whatever adapters the application mounts."""
        client = make()
        adapter = DoubleAdapter(self, client.base_url)
        client.mount("http://", adapter)
        client.mount("https://", adapter)
        client.get_adapter = lambda url: adapter  # noqa: ARG005 - the signature of requests
        return client

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """The same for asyncio; a row's error is to be one of httpx2's."""
        from architect_rest.aio.double import DoubleTransport

        client = make()
        client.send_through(DoubleTransport(self, str(client.base_url).rstrip("/")))
        return client

    def answer(self, request: requests.PreparedRequest, base_url: str) -> urllib3.HTTPResponse:
        """What the application answers; the request is kept.

        Raises:
            UnansweredError: the test is over, or the request leads elsewhere.
        """
        if self.closed:
            raise UnansweredError(
                f"the double of {self.name} is asked for {request.method} {request.path_url} after its test. Ask "
                "architect.service() where its client is used, and not when a module is imported"
            )
        found, origin = origin_sent_to(request.url or ""), origin_sent_to(base_url)
        if found != origin:
            raise UnansweredError(
                f"the double of {self.name} redirects to {found}, for which nothing stands in; have it redirect to a "
                "path of its own"
            )
        body = read_body(request.body)
        received = request.copy()
        if not isinstance(request.body, str | None):
            received.body = body
        self.requests.append(received)
        return answer(self.application, environ_of(received, body, base_url))

    def close(self) -> None:
        """Answer no more."""
        self.closed = True


class DoubleAdapter(HTTPAdapter):
    """What `requests` sends through, where a connection would be."""

    __attrs__ = [*HTTPAdapter.__attrs__, "double", "base_url"]  # noqa: RUF012 - what requests' pickling reads

    def __init__(self, double: RestDouble, base_url: str) -> None:
        super().__init__()
        self.double = double
        self.base_url = base_url

    def send(  # noqa: D102 - documented by requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,  # noqa: ARG002
        verify: Any = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Any = None,  # noqa: ARG002
    ) -> requests.Response:
        try:
            return self.build_response(request, self.double.answer(request, self.base_url))
        except RequestException as problem:
            problem.request = problem.request or request
            raise
