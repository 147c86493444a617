"""The REST client for asyncio: an `httpx2.AsyncClient` that knows its base URL and stays with it."""

from __future__ import annotations

import asyncio
import re
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx2

from architect_core.deadline import remaining
from architect_rest.aio.errors import DeadlineError, ForeignOriginError
from architect_rest.aio.transport import OF_THE_SERVICE, Sending, ServiceTransport, sending
from architect_rest.answer import MAX_ANSWER_BYTES
from architect_rest.origin import LEAVES_THE_BASE, origin_of
from architect_rest.path_params import fill

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from architect_core.contract import ClientObserver

    PathParams = Mapping[str, object] | None

_GRACE = 0.05  # seconds, for an attempt to tell itself that its time is over
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class AioRestClient(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` whose URLs are paths of one service.

        response = await client.get("/invoices/7")
        await client.put("/invoices/:invoice_id", json={"paid": True}, path_params={"invoice_id": "2026/7"})

    All that httpx2 documents holds. Beyond it:

    - A URL that leads to another origin is refused before anything is sent. A redirect to one, where redirects are
      followed, takes none of the client's headers, cookies, credentials and certificate along; one that would carry a
      body there is refused.
    - A call ends after `total_timeout`, and no call outlives an `architect_core.deadline.deadline` that it is made in.
      An attempt takes no longer than `timeout` allows to connect and to read together; of a streamed answer, its head.
    - What fails is sent again where that cannot be noticed twice: idempotent methods, requests with an
      `Idempotency-Key`, and whatever was not sent at all.
    - `path_params=` fills `:name` placeholders, percent-encoded.

    Attributes:
        total_timeout: seconds for all attempts of a call and all redirects that it follows; None for no end.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: httpx2.Timeout | float | None = httpx2.Timeout(10.0, connect=3.0),  # noqa: B008 - nothing changes it
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
        observer: ClientObserver | None = None,
    ) -> None:
        """Make a client.

        Args:
            base_url: scheme, host, port and base path.
            timeout: seconds to connect, and seconds to read, as httpx2 takes them.
            total_timeout: see the attribute.
            retries: how many attempts may follow the first one.
            instances: scheme, host and port of all places where the service listens, if there are several.
            weights: the share of the attempts that each of them gets; the same for all unless given.
            circuit_breaker: whether nothing is sent for a moment to a service that gave no answer five times in a row.
            verify: whom to trust, and the client's certificate, as httpx2 takes it.
            server_name: the name that the server's certificate has; the host's unless given.
            max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
            auth: as httpx2 takes it.
            headers: what is sent with every call.
            observer: who is told of the calls to the service.

        Raises:
            ValueError: `base_url` is no absolute HTTP URL.
        """
        origin = origin_of(base_url)
        if origin is None or origin.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        self._service = ServiceTransport(
            instances or ["/".join(base_url.split("/")[:3])],
            weights=weights,
            retries=retries,
            circuit_breaker=circuit_breaker,
            verify=verify,
            server_name=server_name,
            max_answer_bytes=max_answer_bytes,
            observer=observer,
        )
        super().__init__(base_url=base_url, timeout=timeout, auth=auth, headers=headers, transport=self._service)
        self.total_timeout = total_timeout

    def send_through(self, transport: httpx2.AsyncBaseTransport) -> None:
        """Send through another transport, which does what it does: there are no retries and instances with it."""
        self._transport = transport

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        await self._service.aclose()

    async def __aexit__(self, *raised: Any) -> None:
        await super().__aexit__(*raised)
        await self._service.aclose()

    def build_request(self, method: str, url: httpx2.URL | str, **named: Any) -> httpx2.Request:
        """Build a request, whose URL may be a path of the service; one such as "urn:acme:7" is no scheme's.

        Raises:
            ForeignOriginError: the URL is a host's, and not written as that.
        """
        if isinstance(url, str) and not _ABSOLUTE.match(url):
            if LEAVES_THE_BASE.match(url):
                raise ForeignOriginError(self._service.told_foreign(httpx2.URL(url)))
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
        """Send a request, within the client's total time.

        Raises:
            ForeignOriginError: it leads to another origin, and is no redirect of the service's own; or it is one that
                would take the request's body along (status 307 and 308).
            DeadlineError: no time is left for it.
        """
        if not self._service.is_own(request.url) and OF_THE_SERVICE not in request.extensions:
            raise ForeignOriginError(self._service.told_foreign(request.url))
        request.extensions = {**request.extensions, OF_THE_SERVICE: True}
        follows = self.follow_redirects if follow_redirects is httpx2.USE_CLIENT_DEFAULT else follow_redirects
        ends = self._end(request)
        before = sending.set(Sending(ends, is_streamed=stream, follows=follows))
        try:
            # httpx2 reads what an auth flow answers to, outside of any attempt
            async with asyncio.timeout(None if ends is None else ends - monotonic() + _GRACE) as limit:
                return await super().send(request, stream=stream, auth=auth, follow_redirects=follow_redirects)
        except TimeoutError:
            if limit.expired():
                raise DeadlineError("no time is left: the answer that asks for a login did not end in time") from None
            raise
        finally:
            sending.reset(before)

    def _end(self, request: httpx2.Request) -> float | None:
        """When a call that begins now has to be over."""
        stated = request.extensions.get("timeout", {})
        connect, read = stated.get("connect"), stated.get("read")
        total = self.total_timeout
        if stated and (connect, read) != (self.timeout.connect, self.timeout.read):
            # a call that may take longer gets its time
            total = None if total is None or connect is None or read is None else max(total, connect, read)
        left = remaining()
        seconds = min((each for each in (total, left) if each is not None), default=None)
        return None if seconds is None else monotonic() + seconds

    # What httpx2 takes, with `path_params`; each of its methods states its own parameters.

    async def request(  # noqa: D102 - documented by httpx2
        self, method: str, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().request(method, _filled(url, path_params), **named)

    def stream(  # noqa: D102 - documented by httpx2
        self, method: str, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> Any:
        return super().stream(method, _filled(url, path_params), **named)

    def sse(self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any) -> Any:  # noqa: D102
        return super().sse(_filled(url, path_params), **named)

    async def get(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().get(_filled(url, path_params), **named)

    async def options(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().options(_filled(url, path_params), **named)

    async def head(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().head(_filled(url, path_params), **named)

    async def post(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().post(_filled(url, path_params), **named)

    async def put(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().put(_filled(url, path_params), **named)

    async def patch(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().patch(_filled(url, path_params), **named)

    async def delete(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().delete(_filled(url, path_params), **named)

    async def query(  # noqa: D102
        self, url: httpx2.URL | str, *, path_params: PathParams = None, **named: Any
    ) -> httpx2.Response:
        return await super().query(_filled(url, path_params), **named)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(origin_of(str(self.base_url)))!r})"


def _filled(url: httpx2.URL | str, path_params: PathParams) -> httpx2.URL | str:
    return url if path_params is None else fill(str(url), path_params)
