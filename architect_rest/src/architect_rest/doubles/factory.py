"""Makes the doubles of REST services."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from architect_core.contract import Double, DoubleFactory
from architect_rest.doubles.asgi import Asgi
from architect_rest.doubles.stand_in import StandIn
from architect_rest.doubles.sync import DoubleAdapter
from architect_rest.doubles.table import Table
from architect_rest.doubles.wsgi import Wsgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from architect_core.contract import DoubleTarget
    from architect_rest.doubles.stand_in import Behaviour


class RestDoubleFactory(DoubleFactory):
    """Makes doubles of REST services.

    The behaviour of a double is a table of answers, a WSGI application such as Flask's, or an ASGI application such as
    FastAPI's.

        {
            "GET /invoices/7": {"paid": False},                        # 200 with JSON
            "GET /invoices/:number": (404, {"error": "unknown"}),      # any other number
            "GET /invoices?paid=no": [],                               # only with this query
            "PUT /invoices/7": lambda request: json.loads(request.body),
            "POST /invoices": (303, "", {"Location": "/invoices/8"}),
            "GET /report.txt": "a text",                               # text/plain; bytes as they are
            "DELETE /invoices/7": requests.ConnectTimeout(),           # raised, as by the network
        }

    A path is without the service's base path. Of several matching rows, one with a query is preferred to one without,
    then one with fewer placeholders, then the first. The table may be changed while the test runs.

    An application is mounted at the service's base path, and what it raises is raised in the test. An ASGI application
    is served in one event loop, in a thread of its own: its lifespan begins with the first request and ends after the
    test, and a request is answered when its background tasks are done.
    """

    def double(self, target: DoubleTarget) -> RestDouble:
        """A double.

        Raises:
            TypeError: the behaviour is neither a table nor an application, or a row of the table is malformed.
        """
        behaviour = target.behaviour
        if isinstance(behaviour, Mapping):
            return RestDouble(target.name, Table(behaviour, target.name))
        if iscoroutinefunction(behaviour) or iscoroutinefunction(getattr(behaviour, "__call__", None)):  # noqa: B004 - which it is
            return RestDouble(target.name, Asgi(behaviour))
        if callable(behaviour):
            return RestDouble(target.name, Wsgi(behaviour))
        raise TypeError(
            f"the double of {target.name} is given a {type(behaviour).__name__}; give a WSGI or ASGI application, or "
            'a table of answers: {"GET /invoices/7": {"paid": False}}'
        )


class RestDouble(Double):
    """The double of one service.

    Attributes:
        requests: the `requests.PreparedRequest`s that were sent; a body that can be read only once is bytes in them.
    """

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        # .invalid (RFC 6761) is reserved: what does not go through the double reaches no host
        super().__init__({"host": f"http://{name.replace('/', '.')}.invalid"})
        self._stand_in = StandIn(name, behaviour)
        self.requests = self._stand_in.requests

    def client(self, make: Callable[[], Any]) -> Any:
        """The `RestClient`, whose requests the double answers, whichever adapters the application mounts."""
        client = make()
        adapter = DoubleAdapter(self._stand_in, client.base_url)
        client.mount("http://", adapter)
        client.mount("https://", adapter)
        client.get_adapter = lambda url: adapter  # noqa: ARG005 - the signature of requests
        return client

    def aio_client(self, make: Callable[[], Any]) -> Any:
        """The same for asyncio; an exception in a table should be one of httpx2's."""
        from architect_rest.doubles.aio import DoubleTransport

        client = make()
        client.send_through(DoubleTransport(self._stand_in, str(client.base_url).rstrip("/")))
        return client

    def close(self) -> None:
        """Answer no more requests, and end the lifespan of an ASGI application."""
        self._stand_in.close()
