"""The REST client for asyncio: an `httpx2.AsyncClient` that knows its base URL and stays with it."""

from __future__ import annotations

import asyncio
import re
import weakref
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from architect_core.clock import monotonic
from architect_rest.aio.errors import DeadlineError, ForeignOriginError, PathParameterError
from architect_rest.aio.guard import CHAIN, Guard, origin_of
from architect_rest.aio.transport import Sending, ServiceTransport, sending
from architect_rest.policy.attempts import Upstream
from architect_rest.policy.endpoints import SharedEndpoints
from architect_rest.policy.limits import MAX_ANSWER_BYTES, PATIENT, end_of_call, is_hurried
from architect_rest.policy.origin import LEAVES_THE_BASE
from architect_rest.policy.path_params import fill
from architect_rest.policy.retry import IDEMPOTENT
from architect_rest.policy.scope import Chain, Scope

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from architect_core.contract import ClientObserver
    from architect_rest.policy.scope import Jail

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

    - A URL of another origin, or outside of the base path, is refused before anything is sent. A redirect to another
      origin, if redirects are followed, gets no cookie, credential or certificate of the client, and no header that
      could identify the caller; one that would carry a body there is refused.
    - All instances are one service: a URL of any of them may be asked and redirected to, and has its cookies.
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
        jail: Jail = "base",
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
        self._jail = jail
        self._scope = Scope(origin, frozenset({origin, *filter(None, map(origin_of, urls))}))
        self._guard = Guard(self._scope, self._service)
        super().__init__(base_url=base_url, timeout=timeout, auth=auth, headers=headers, transport=self._guard)
        self.base_url = httpx2.URL(base_url)
        self.total_timeout = total_timeout

    @property
    def base_url(self) -> httpx2.URL:
        """The base URL, with "/" at its end. Only its path may be changed."""
        return self._base_url

    @base_url.setter
    def base_url(self, url: httpx2.URL | str) -> None:
        found = origin_of(url)
        if found != self._scope.origin:
            raise ForeignOriginError(self._scope.foreign_message(found, "base_url"))
        self._base_url = self._enforce_trailing_slash(httpx2.URL(url))
        base = self._base_url.raw_path.decode().rstrip("/") if self._jail == "base" else ""
        self._scope = replace(self._scope, base=base)

    def send_through(self, transport: httpx2.AsyncBaseTransport) -> None:
        """Send through another transport instead, without the retries and instances of this client's own."""
        self._guard.transport = transport

    def build_request(self, method: str, url: httpx2.URL | str, **named: Any) -> httpx2.Request:
        """Build a request, whose URL may be a path of the service, even one with a colon such as "urn:acme:7".

        Raises:
            ForeignOriginError: the URL could be read as one of another host.
        """
        if isinstance(url, str) and not _ABSOLUTE.match(url):
            if LEAVES_THE_BASE.match(url):
                raise ForeignOriginError(self._scope.foreign_message(origin_of(url)))
            if url[:1] not in {"", "/", "?", "#"}:
                url = f"/{url}"
        else:
            url = self._at_service(httpx2.URL(url))
        return super().build_request(method, url, **named)

    def _at_service(self, url: httpx2.URL) -> httpx2.URL:
        """`url`, at the service's origin if it leads to another instance."""
        found, origin = origin_of(url), self._scope.origin
        if found == origin or found not in self._scope.origins:
            return url
        return url.copy_with(host=origin.host, port=origin.port)

    def _redirect_url(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.URL:
        return self._at_service(super()._redirect_url(request, response))

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
            ForeignOriginError: its URL has another origin or leaves the base path, and it is no redirect of the
                service; or it is one that would take the request's body to another origin (status 307 and 308).
            DeadlineError: no time is left.
        """
        self._admit(request)
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

    def _admit(self, request: httpx2.Request) -> None:
        """Mark a request as the first of its call, unless it is a redirect that the caller follows.

        Raises:
            ForeignOriginError: it must not be sent.
        """
        chain = request.extensions.get(CHAIN)
        if isinstance(chain, Chain) and chain.service == self._scope.origin and chain.first() is not request:
            return
        found = origin_of(request.url)
        path = request.url.raw_path.decode().partition("?")[0] if self._scope.base else ""
        reason = self._scope.reason_to_refuse(found, path)
        if reason is not None:
            raise ForeignOriginError(reason)
        if found != self._scope.origin:
            former, request.url = request.url, self._at_service(request.url)
            if request.headers.get("Host") == former.netloc.decode():
                request.headers["Host"] = request.url.netloc.decode()
        chain = Chain(self._scope.origin, first=weakref.ref(request))
        request.extensions = {**request.extensions, CHAIN: chain}

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
