"""The REST client for asyncio: an `httpx2.AsyncClient` that knows its base URL and stays with it."""

from __future__ import annotations

import asyncio
import re
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from architect_core.clock import monotonic
from architect_rest.aio.errors import DeadlineError, ForeignOriginError, PathParameterError
from architect_rest.aio.transport import OF_THE_SERVICE, Sending, ServiceTransport, origin_of, sending
from architect_rest.policy.attempts import Upstream
from architect_rest.policy.endpoints import SharedEndpoints
from architect_rest.policy.limits import MAX_ANSWER_BYTES, PATIENT, end_of_call, is_hurried
from architect_rest.policy.origin import LEAVES_THE_BASE
from architect_rest.policy.path_params import fill
from architect_rest.policy.retry import IDEMPOTENT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from architect_core.contract import ClientObserver

Returned = TypeVar("Returned")

_GRACE = 0.05  # seconds for an attempt to report its own timeout
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def _with_path_params(method: Callable[..., Returned]) -> Callable[..., Returned]:
    """A method of `httpx2.AsyncClient` that also takes `path_params`, and fills them into its `url`."""

    @wraps(method)
    def filling(
        self: AioRestClient, *args: Any, path_params: Mapping[str, object] | None = None, **named: Any
    ) -> Returned:
        if path_params is not None:
            if "url" in named:
                named["url"] = fill(str(named["url"]), path_params, PathParameterError)
            else:  # the last one that may be given by its position
                args = (*args[:-1], fill(str(args[-1]), path_params, PathParameterError))
        return method(self, *args, **named)

    return filling


class AioRestClient(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` whose URLs are paths of one service.

        response = await client.get("/invoices/7")
        await client.put("/invoices/:invoice_id", json={"paid": True}, path_params={"invoice_id": "2026/7"})

    All that httpx2 documents holds. Beyond it:

    - A URL of another origin is refused before anything is sent. A redirect to one, if redirects are followed, gets
      none of the client's headers, cookies, credentials and certificate; one that would carry a body there is refused.
    - A call ends after `total_timeout`, and no call outlives an `architect_core.deadline.deadline` that it is made in.
      An attempt takes no longer than `timeout` allows to connect and to read together; of a streamed response, its
      head.
    - A failed request is sent again if that is safe: idempotent methods, requests with an `Idempotency-Key`, and
      whatever was not sent at all. The option `retries_for` names other methods. A DELETE that was retried may get
      status 404, because the first attempt has deleted the resource.
    - `path_params=` fills `:name` placeholders, percent-encoded.

    Attributes:
        total_timeout: seconds for all attempts of a call and all redirects that it follows; None for no limit.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: httpx2.Timeout | float | None = httpx2.Timeout(10.0, connect=3.0),  # noqa: B008 - it is immutable
        total_timeout: float | None = 30.0,
        retries: int = 2,
        instances: Sequence[str] = (),
        weights: Sequence[int] = (),
        circuit_breaker: bool = True,
        verify: ssl.SSLContext | bool = True,
        server_name: str | None = None,
        max_answer_bytes: int | None = MAX_ANSWER_BYTES,
        auth: Any = None,
        headers: Mapping[bytes, bytes] | Mapping[str, str] | None = None,
        retries_for: Collection[str] = IDEMPOTENT,
        shared: SharedEndpoints | None = None,
        observer: ClientObserver | None = None,
    ) -> None:
        """Make a client. `timeout`, `verify`, `auth` and `headers` are those of httpx2, the others as in `RestClient`.

        Raises:
            ValueError: `base_url` is no absolute HTTP URL.
        """
        origin = origin_of(base_url)
        if origin is None or origin.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        urls = instances or ["/".join(base_url.split("/")[:3])]
        upstream = Upstream(
            urls,
            weights,
            retries,
            retries_for,
            circuit_breaker,
            server_name,
            max_answer_bytes,
            shared or SharedEndpoints(),
        )
        self._service = ServiceTransport(upstream, verify=verify, observer=observer)
        super().__init__(base_url=base_url, timeout=timeout, auth=auth, headers=headers, transport=self._service)
        self.total_timeout = total_timeout

    def send_through(self, transport: httpx2.AsyncBaseTransport) -> None:
        """Send through another transport instead, without the retries and instances of this client's own."""
        self._transport = transport

    def build_request(self, method: str, url: httpx2.URL | str, **named: Any) -> httpx2.Request:
        """Build a request, whose URL may be a path of the service, even one with a colon such as "urn:acme:7".

        Raises:
            ForeignOriginError: the URL could be read as one of another host.
        """
        if isinstance(url, str) and not _ABSOLUTE.match(url):
            if LEAVES_THE_BASE.match(url):
                raise ForeignOriginError(self._service.foreign_message(httpx2.URL(url)))
            if url[:1] not in {"", "/", "?", "#"}:
                url = f"/{url}"
        return super().build_request(method, url, **named)

    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: Any = httpx2.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx2.USE_CLIENT_DEFAULT,
    ) -> httpx2.Response:
        """Send a request, within the client's total timeout.

        Raises:
            ForeignOriginError: its URL has another origin, and it is no redirect of the service; or it is one that
                would take the request's body along (status 307 and 308).
            DeadlineError: no time is left.
        """
        if not self._service.is_own(request.url) and OF_THE_SERVICE not in request.extensions:
            raise ForeignOriginError(self._service.foreign_message(request.url))
        request.extensions = {**request.extensions, OF_THE_SERVICE: True}
        follows = self.follow_redirects if follow_redirects is httpx2.USE_CLIENT_DEFAULT else follow_redirects
        end, hurried = self._limits(request)
        before = sending.set(Sending(end, is_streamed=stream, is_hurried=hurried, follows=follows))
        try:
            # httpx2 reads the answer to an auth flow's request outside of any attempt
            async with asyncio.timeout(None if end is None else end - monotonic() + _GRACE) as limit:
                return await super().send(request, stream=stream, auth=auth, follow_redirects=follow_redirects)
        except TimeoutError:
            if limit.expired():
                raise DeadlineError("no time is left: the answer that asks for a login did not end in time") from None
            raise
        finally:
            sending.reset(before)

    def _limits(self, request: httpx2.Request) -> tuple[float | None, tuple[bool, bool]]:
        """When a call that begins now has to end, and whether it is hurried."""
        stated, usual = request.extensions.get("timeout", {}), (self.timeout.connect, self.timeout.read)
        pair = stated.get("connect"), stated.get("read")
        if not stated or pair == usual:
            return end_of_call(self.total_timeout), PATIENT
        return end_of_call(self.total_timeout, pair), is_hurried(pair, usual)

    request = _with_path_params(httpx2.AsyncClient.request)
    stream = _with_path_params(httpx2.AsyncClient.stream)
    sse = _with_path_params(httpx2.AsyncClient.sse)
    get = _with_path_params(httpx2.AsyncClient.get)
    options = _with_path_params(httpx2.AsyncClient.options)
    head = _with_path_params(httpx2.AsyncClient.head)
    post = _with_path_params(httpx2.AsyncClient.post)
    put = _with_path_params(httpx2.AsyncClient.put)
    patch = _with_path_params(httpx2.AsyncClient.patch)
    delete = _with_path_params(httpx2.AsyncClient.delete)
    query = _with_path_params(httpx2.AsyncClient.query)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(origin_of(self.base_url))!r})"


class BearerAuth(httpx2.Auth):
    """Sends a token as `Authorization: Bearer ...`, unless a call has an `Authorization` header of its own."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Called by httpx2 for every request."""
        if "Authorization" not in request.headers:  # as bytes, because httpx2 encodes a text in ASCII
            value = f"Bearer {self._token}".encode("latin-1")
            request.headers = httpx2.Headers([*request.headers.raw, (b"Authorization", value)])
        yield request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"
