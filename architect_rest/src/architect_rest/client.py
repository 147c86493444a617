"""The REST client: a `requests.Session` that knows its base URL and stays with it."""

from __future__ import annotations

import copy
import os
import weakref
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase

from architect_rest.compat import body
from architect_rest.origin import foreign, join, origin_of, origin_sent_to
from architect_rest.path_params import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    Timeout = float | tuple[float | None, float | None] | None

# what a request to another origin may take along: nothing that says who asks
_HARMLESS_HEADERS = {"accept", "accept-encoding", "connection", "proxy-authorization", "user-agent"}
_UNSET: Any = object()


class RestClient(requests.Session):
    """A `requests.Session` whose URLs are paths of one service.

        client.get("/invoices/7")
        client.put("/invoices/:invoice_id", json={"paid": True}, path_params={"invoice_id": "2026/7"})

    All that requests documents holds. Beyond it:

    - A URL that leads to another origin is refused before anything is sent. A redirect to one is followed without the
      session's headers, cookies, credentials and client certificate; one that would carry a body there is refused.
    - Without `timeout=` a call has the client's own; `timeout=None` waits for ever.
    - `path_params=` fills `:name` placeholders, percent-encoded.

    Attributes:
        base_url: scheme, host, port and base path, without "/" at its end.
        timeout: seconds to connect and seconds to wait for each part of the answer.
    """

    __attrs__ = [*requests.Session.__attrs__, "base_url", "timeout"]  # noqa: RUF012 - what requests' pickling reads

    def __init__(self, base_url: str, *, timeout: Timeout = (3.0, 10.0)) -> None:
        """Make a client of `base_url`; raise ValueError if that is no absolute HTTP URL."""
        super().__init__()
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._settle()

    def _settle(self) -> None:
        origin = origin_of(self.base_url)
        if origin is None or origin.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        self._origin = origin
        _alive.add(self)

    def request(  # noqa: D102 - documented by requests
        self,
        method: str | bytes,
        url: str | bytes,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        files: Any = None,
        auth: Any = None,
        timeout: Timeout = _UNSET,
        allow_redirects: bool = True,
        proxies: Any = None,
        hooks: Any = None,
        stream: bool | None = None,
        verify: Any = None,
        cert: Any = None,
        json: Any = None,
        *,
        path_params: Mapping[str, object] | None = None,
    ) -> requests.Response:
        if path_params is not None:
            url = fill(_text(url), path_params)
        return super().request(
            method,  # type: ignore[arg-type] # requests takes bytes, and its annotation does not say so
            url,
            params=params,
            data=body(data),
            headers=headers,
            cookies=cookies,
            files=files,
            auth=auth,
            timeout=self.timeout if timeout is _UNSET else timeout,
            allow_redirects=allow_redirects,
            proxies=proxies,
            hooks=hooks,
            stream=stream,
            verify=verify,
            cert=cert,
            json=json,
        )

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare `request`, whose URL may be a path of the service."""
        request = copy.copy(request)
        request.url = join(self.base_url, _text(request.url or ""), self._origin)
        return super().prepare_request(request)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request, with the client's timeouts unless `timeout` is given.

        Raises:
            ForeignOriginError: it leads to another origin, and is no redirect of the service's own; or it is one that
                would take the request's body along (status 307 and 308).
        """
        found = origin_sent_to(request.url or "")
        if found != self._origin:
            if getattr(request, "_left_by_redirect", None) is not self._origin:
                raise foreign(found, self._origin)
            if request.body is not None:
                raise foreign(found, self._origin, "the service's redirect, which asks for the request's body,")
            kwargs["cert"] = None  # a client certificate is for the service alone
        kwargs.setdefault("timeout", self.timeout)
        return super().send(request, **kwargs)

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called by requests for every redirect: one to another origin takes nothing of the session along.

        Nothing is refused here, but when it is sent: requests makes this request too where redirects are not followed.
        """
        found = origin_sent_to(prepared_request.url or "")
        if found == self._origin:
            super().rebuild_auth(prepared_request, response)
            return
        headers = prepared_request.headers
        for name in [name for name in headers if name.lower() not in _HARMLESS_HEADERS]:
            del headers[name]
        # such as the answer to a digest challenge, which would be given to anyone who asks; a new dictionary, because
        # the redirected request has the old one, and may be sent again
        prepared_request.hooks = {
            event: [hook for hook in hooks if not isinstance(getattr(hook, "__self__", None), AuthBase)]
            for event, hooks in prepared_request.hooks.items()
        }
        if found is not None:
            prepared_request._left_by_redirect = self._origin  # type: ignore[attr-defined] # noqa: SLF001 - our mark

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._settle()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._origin)!r})"


def _text(url: str | bytes) -> str:
    return url.decode("utf-8") if isinstance(url, bytes) else str(url)


_alive: weakref.WeakSet[RestClient] = weakref.WeakSet()


def _forget_connections() -> None:
    """In a forked child: the parent's connections must not be used by two processes."""
    for client in list(_alive):
        for adapter in client.adapters.values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                adapter.__setstate__(adapter.__getstate__())  # what unpickling does: new, empty pools


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
