"""The REST client: a `requests.Session` that knows its base URL and stays with it."""

from __future__ import annotations

import os
import weakref
from copy import copy
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.sessions import merge_setting
from requests.structures import CaseInsensitiveDict

from architect_rest.policy.attempts import Upstream
from architect_rest.policy.endpoints import SharedEndpoints
from architect_rest.policy.limits import MAX_ANSWER_BYTES
from architect_rest.policy.path_params import fill
from architect_rest.policy.retry import IDEMPOTENT
from architect_rest.policy.scope import Chain, Scope
from architect_rest.sync.adapter import ServiceAdapter
from architect_rest.sync.connections import Timeouts, current, keep_time, relax, timeouts
from architect_rest.sync.errors import ForeignOriginError, PathParameterError
from architect_rest.sync.fast import FastPath, keep_authorization
from architect_rest.sync.urls import join, moved, origin_of, origin_sent_to, prepared_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from http.cookiejar import CookieJar
    from types import EllipsisType

    from requests import _types as _t
    from requests.adapters import BaseAdapter

    from architect_core.contract import ClientObserver
    from architect_rest.policy.scope import Jail
    from architect_rest.sync.connections import Timeout


class RestClient(requests.Session):
    """A `requests.Session` whose URLs are paths of one service.

        client.get("/invoices/7")
        client.put("/invoices/:invoice_id", json={"paid": True}, path_params={"invoice_id": "2026/7"})

    All that requests documents holds. Beyond it:

    - A URL of another origin, or outside of the base path, is refused before anything is sent. A redirect to another
      origin is followed without the session's cookies, credentials and client certificate, and without all headers
      that could identify the caller; one that would carry a body there is refused.
    - All instances are one service: a URL of any of them may be asked and redirected to, and has its cookies.
    - Without `timeout=` a call has the client's own; `timeout=None` waits for ever. No call outlives an
      `architect_core.deadline.deadline` that it is made in.
    - A failed request is sent again if that is safe: idempotent methods, requests with an `Idempotency-Key`, and
      whatever was not sent at all. The option `retries_for` names other methods. A DELETE that was retried may get
      status 404, because the first attempt has deleted the resource.
    - `path_params=` fills `:name` placeholders, percent-encoded.

    Attributes:
        base_url: scheme, host, port and base path, without "/" at its end. Only its path may be changed.
        timeout: seconds to connect, and seconds for an attempt from then on; for a streamed response, seconds to wait
            for its head and for each part.
        total_timeout: seconds for all attempts of a call and all redirects that it follows; None for no limit.
        instances: scheme, host and port of all instances of the service, if there are several.
        ca: the file with the authorities that may have signed its certificate; those of requests unless given.
    """

    _has_other_adapter = True
    _service_scope: Scope  # OAuth2Session has a `_scope`
    # what requests' pickling reads; the base URL comes last because it is combined with the others
    __attrs__ = [*requests.Session.__attrs__, "timeout", "total_timeout", "ca", "instances", "_jail", "base_url"]  # noqa: RUF012

    def __init__(
        self,
        base_url: str,
        *,
        timeout: Timeout = (3.0, 10.0),
        total_timeout: float | None = 30.0,
        retries: int = 2,
        instances: Sequence[str] = (),
        weights: Sequence[int] = (),
        circuit_breaker: bool = True,
        ca: str | None = None,
        server_name: str | None = None,
        max_answer_bytes: int | None = MAX_ANSWER_BYTES,
        jail: Jail = "base",
        retries_for: Collection[str] = IDEMPOTENT,
        shared: SharedEndpoints | None = None,
        observer: ClientObserver | None = None,
    ) -> None:
        """Make a client. Most arguments are attributes, or options of the same name, see `RestOptions`.

        `weights` are the shares of the attempts that the instances get, `server_name` is the host name in the server's
        certificate unless it is that of the URL, `shared` makes clients of one service share its retry budget and its
        circuit, and `observer` reports the calls.

        Raises:
            ValueError: `base_url` is no absolute HTTP URL.
        """
        super().__init__()
        self.timeout = timeout
        self.total_timeout = total_timeout
        self.ca = ca
        if ca is not None:
            self.verify = ca
        self.instances = tuple(map(prepared_url, instances))
        self._jail = jail
        self.base_url = base_url
        urls = self.instances or [self._fast.origin]
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
        adapter = ServiceAdapter(upstream, observer)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    @property
    def base_url(self) -> str:  # noqa: D102 - documented by the class
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        origin = origin_of(url)
        if origin is None or origin.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        former: Scope | None = self.__dict__.get("_service_scope")
        if former is not None and origin != former.origin:
            raise ForeignOriginError(former.foreign_message(origin, "base_url"))
        self._base_url = url.rstrip("/")
        self._fast = FastPath(self._base_url, jailed=self._jail == "base")
        origins = frozenset({origin, *filter(None, map(origin_of, self.instances))})
        self._service_scope = Scope(origin, origins, self._fast.path if self._jail == "base" else "")
        _alive.add(self)

    def request(  # noqa: D102 - documented by requests
        self,
        method: str,
        url: _t.UriType,
        params: _t.ParamsType = None,
        data: _t.DataType = None,
        headers: _t.HeadersType = None,
        cookies: CookieJar | dict[str, str] | None = None,
        files: _t.FilesType = None,
        auth: _t.AuthType = None,
        timeout: _t.TimeoutType | EllipsisType = ...,
        allow_redirects: bool = True,
        proxies: dict[str, str] | None = None,
        hooks: _t.HooksInputType | None = None,
        stream: bool | None = None,
        verify: _t.VerifyType | None = None,
        cert: _t.CertType = None,
        json: _t.JsonType = None,
        *,
        path_params: Mapping[str, object] | None = None,
    ) -> requests.Response:
        if path_params is not None:
            url = fill(_text(url), path_params, PathParameterError)
        limits = self.timeout if timeout is ... else timeout
        return super().request(
            method, url, params, data, headers, cookies, files, auth, limits, allow_redirects, proxies, hooks, stream,
            verify, cert, json,
        )  # fmt: skip

    def _absolute(self, url: _t.UriType, path_params: Mapping[str, object] | None = None) -> str:
        """The URL that a call with these arguments requests."""
        if path_params is not None:
            url = fill(_text(url), path_params, PathParameterError)
        return join(self._base_url, _text(url), self._service_scope)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare `request`, whose URL may be a path of the service."""
        url = _text(request.url or "")
        if isinstance(request.data, set | frozenset):
            request.data = _accepted(request.data)
        prepared = self._fast.prepare(self, self._base_url, request, url)
        if prepared is not None:
            return prepared
        request = copy(request)
        request.url = self._absolute(url)
        headers = merge_setting(request.headers, self.headers, dict_class=CaseInsensitiveDict)
        if "Authorization" in headers and self.trust_env and not (request.auth or self.auth):
            request.auth = keep_authorization
        return super().prepare_request(request)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> dict[str, Any]:
        """Called by requests for proxies and certificates from the environment."""
        if verify is None and self.ca is not None and self.verify == self.ca:  # REQUESTS_CA_BUNDLE would replace it
            verify = self.ca
        found = self._fast.environment_settings(self, url, proxies, stream, verify, cert)
        return found or super().merge_environment_settings(url, proxies, stream, verify, cert)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request, with the client's timeouts unless `timeout` is given.

        Raises:
            ForeignOriginError: its URL has another origin or leaves the base path, and it is no redirect of the
                service; or it is one that would take the request's body to another origin (status 307 and 308).
            DeadlineError: no time is left.
        """
        if not self._fast.is_inside(request.url or ""):
            request = self._admit(request, kwargs)
        limits = kwargs.get("timeout", self.timeout)
        if not isinstance(limits, Timeouts):
            kwargs["timeout"] = limits = timeouts(limits, self.timeout, self.total_timeout)
        send = super().send
        if self._has_other_adapter and isinstance(limits, Timeouts):
            send = partial(self._send_in_time, send, limits)
        response = send(request, **kwargs)
        if kwargs.get("stream", self.stream) and not response.is_redirect:  # requests reads a redirect's body
            relax(response)
        # requests' `elapsed` ends with the head, but the adapter has read the body as well
        until_head = getattr(response, "_until_head", None)
        if until_head is not None:
            response.elapsed = timedelta(seconds=until_head)
        return response

    def _send_in_time(
        self, send: Callable[..., requests.Response], limits: Timeouts, request: requests.PreparedRequest, **kwargs: Any
    ) -> requests.Response:
        """Send a request through an adapter that may know nothing of the limits of a call."""
        adapter = self.get_adapter(request.url or "")
        if isinstance(adapter, ServiceAdapter):
            return send(request, **kwargs)
        if isinstance(adapter, HTTPAdapter):
            keep_time(adapter.poolmanager)
        outer, current.timeouts = current.timeouts, limits
        try:
            return send(request, **kwargs | {"timeout": limits.now()})
        finally:
            current.timeouts = outer

    def mount(self, prefix: str, adapter: BaseAdapter) -> None:
        """Send what begins with `prefix` through an adapter of your own: in the call's time limits, without retries."""
        super().mount(prefix, adapter)
        self._has_other_adapter = not all(isinstance(each, ServiceAdapter) for each in self.adapters.values())

    def _admit(self, request: requests.PreparedRequest, kwargs: dict[str, Any]) -> requests.PreparedRequest:
        """`request` as it may be sent.

        Raises:
            ForeignOriginError: it must not be sent.
        """
        if not isinstance(request, requests.PreparedRequest):
            raise ValueError("You can only send PreparedRequests.")  # noqa: TRY004 - what requests raises
        url, scope = request.url or "", self._service_scope
        found = origin_sent_to(url)
        chain = self._chain(request)
        path = "" if found is None else urlsplit(url).path
        reason = scope.reason_to_refuse(found, path, chain, has_body=request.body is not None)
        if reason is not None:
            raise ForeignOriginError(reason)
        if found not in scope.origins:
            kwargs["cert"] = None  # a client certificate is for the service alone, and so are its authorities
            if self.ca is not None and kwargs.get("verify") == self.ca:
                kwargs["verify"] = super().merge_environment_settings(url, {}, None, True, None)["verify"]
        elif found != scope.origin:
            request = request.copy()
            request.url = moved(url, scope.origin)
        return request

    def _chain(self, request: requests.PreparedRequest) -> Chain | None:
        """The chain of redirects that a request belongs to; None if it is the caller's own."""
        chain = getattr(request, "_chain", None)
        return chain if isinstance(chain, Chain) and chain.service == self._service_scope.origin else None

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Called by requests for the URL of a redirect, which may be that of another instance."""
        target = super().get_redirect_target(resp)
        if target is None or len(self._service_scope.origins) == 1:
            return target
        absolute = urljoin(resp.url, target) if target.startswith("//") else target
        found = origin_sent_to(absolute)
        is_instance = found in self._service_scope.origins and found != self._service_scope.origin
        return moved(absolute, self._service_scope.origin) if is_instance else target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called by requests for every redirect, to remove what must not be taken along.

        Within the service nothing is, nor is a netrc file read, which would replace the configured credentials. A
        redirect is refused only when it is sent: requests prepares it also if redirects are not followed.
        """
        chain = self._chain(response.request) or Chain(self._service_scope.origin)
        prepared_request._chain = chain  # type: ignore[attr-defined] # noqa: SLF001 - our mark
        found, headers = origin_sent_to(prepared_request.url or ""), prepared_request.headers
        for name in self._service_scope.private_headers(headers, found, chain, but="proxy-authorization"):
            del headers[name]
        if chain.has_left:
            # such as the response to a digest challenge; the new dictionary keeps the redirected request, which shares
            # the old one and may be sent again, as it is
            prepared_request.hooks = {
                event: [hook for hook in hooks if not isinstance(getattr(hook, "__self__", None), AuthBase)]
                for event, hooks in prepared_request.hooks.items()
            }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._service_scope.origin)!r})"


class BearerAuth(AuthBase):
    """Sends a token as `Authorization: Bearer ...`, unless a call has an `Authorization` header of its own."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests for every request."""
        request.headers.setdefault("Authorization", f"Bearer {self._token}")
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


def _accepted(data: Any) -> Any:
    """`data` as requests accepts it. A set is converted: of pairs to a form, of texts or bytes to a body.

    Compatibility with architect.sdk 0.2.1, whose documentation writes `{ data }`, which is a set in Python. requests
    itself would send the number of items as the body's length.

    >>> _accepted({("amount", 10)}), _accepted({"text"}), _accepted({"amount": 10})
    ([('amount', 10)], b'text', {'amount': 10})
    """
    if not isinstance(data, set | frozenset):
        return data
    if all(isinstance(item, tuple) for item in data):
        return list(data)
    return b"".join(item.encode() if isinstance(item, str) else bytes(memoryview(item)) for item in data)


def _text(url: str | bytes) -> str:
    return url.decode("utf-8") if isinstance(url, bytes) else str(url)


_alive: weakref.WeakSet[RestClient] = weakref.WeakSet()


def _reset_connections() -> None:
    """In a forked child: two processes must not use the same connections."""
    for client in list(_alive):
        for adapter in client.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                adapter.__setstate__(adapter.__getstate__())  # as unpickling does: new, empty pools


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_connections)
