"""The REST client: a `requests.Session` that knows its base URL and stays with it."""

from __future__ import annotations

import os
import re
import weakref
from datetime import timedelta
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar, cookiejar_from_dict, merge_cookies
from requests.sessions import merge_hooks, merge_setting
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, get_netrc_auth

from architect_rest.adapter import ServiceAdapter
from architect_rest.answer import MAX_ANSWER_BYTES
from architect_rest.auth import StatedAuth
from architect_rest.compat import body
from architect_rest.environment import Environment, netrc_files
from architect_rest.limits import Limits, limits
from architect_rest.origin import foreign, join, origin_of, origin_sent_to
from architect_rest.path_params import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from architect_core.contract import ClientObserver
    from architect_rest.origin import Origin

    Timeout = float | tuple[float | None, float | None] | None

# what a request to another origin may take along: nothing that says who asks
_HARMLESS_HEADERS = {"accept", "accept-encoding", "connection", "proxy-authorization", "user-agent"}
_UNSET: Any = object()
# what preparing a URL leaves as it is: no dots to resolve, nothing to encode
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?(?:\?[A-Za-z0-9_.~=&-]+)?")


class RestClient(requests.Session):
    """A `requests.Session` whose URLs are paths of one service.

        client.get("/invoices/7")
        client.put("/invoices/:invoice_id", json={"paid": True}, path_params={"invoice_id": "2026/7"})

    All that requests documents holds. Beyond it:

    - A URL that leads to another origin is refused before anything is sent. A redirect to one is followed without the
      session's headers, cookies, credentials and client certificate; one that would carry a body there is refused.
    - Without `timeout=` a call has the client's own; `timeout=None` waits for ever. No call outlives an
      `architect_core.deadline.deadline` that it is made in.
    - What fails is sent again where that cannot be noticed twice: idempotent methods, requests with an
      `Idempotency-Key`, and whatever was not sent at all.
    - `path_params=` fills `:name` placeholders, percent-encoded.

    Attributes:
        base_url: scheme, host, port and base path, without "/" at its end.
        timeout: seconds to connect, and seconds that an attempt may take from then on; for a streamed answer,
            seconds to wait for its head and for each part.
        total_timeout: seconds for all attempts of a call and all redirects that it follows; None for no end.
        instances: scheme, host and port of all places where the service listens, if there are several.
        ca: the file with the authorities that may have signed its certificate; those of requests unless given.
    """

    # what requests' pickling reads
    __attrs__ = [*requests.Session.__attrs__, "base_url", "timeout", "total_timeout", "ca", "instances"]  # noqa: RUF012

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
        observer: ClientObserver | None = None,
    ) -> None:
        """Make a client.

        Args:
            base_url: scheme, host, port and base path.
            timeout: see the attribute.
            total_timeout: see the attribute.
            retries: how many attempts may follow the first one.
            instances: scheme, host and port of all places where the service listens, if there are several.
            weights: the share of the attempts that each of them gets; the same for all unless given.
            circuit_breaker: whether nothing is sent for a moment to a service that gave no answer five times in a row.
            ca: see the attribute.
            server_name: the name that the server's certificate has; the host's unless given.
            max_answer_bytes: how large an answer may be that is not streamed, once decoded; None for no limit.
            observer: who is told of the calls to the service.

        Raises:
            ValueError: `base_url` is no absolute HTTP URL.
        """
        super().__init__()
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.total_timeout = total_timeout
        self.ca = ca
        if ca is not None:
            self.verify = ca
        self.instances = tuple(map(_prepared, instances))
        self._settle()
        adapter = ServiceAdapter(
            self.instances or [self._place],
            weights=weights,
            retries=retries,
            circuit_breaker=circuit_breaker,
            server_name=server_name,
            max_answer_bytes=max_answer_bytes,
            observer=observer,
        )
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def _settle(self) -> None:
        origin = origin_of(self.base_url)
        if origin is None or origin.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an absolute http or https URL")
        self._origin = origin
        self._origins = {origin, *filter(None, map(origin_of, self.instances))}
        self._settled_for = self.base_url
        self._prepared = _prepared(self.base_url)
        self._place = "/".join(self._prepared.split("/")[:3])
        self._environment = Environment()
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
        url = _text(request.url or "")
        prepared = requests.PreparedRequest()
        prepared.prepare_method(request.method.upper() if request.method else None)
        is_settled = self.base_url is self._settled_for  # and not assigned since
        is_plain = is_settled and not request.params and not self.params and _PLAIN.fullmatch(url) is not None
        if is_plain:
            prepared.url = self._prepared + url
        else:
            prepared.prepare_url(join(self.base_url, url, self._origin), merge_setting(request.params, self.params))
        if request.headers:
            prepared.prepare_headers(merge_setting(request.headers, self.headers, dict_class=CaseInsensitiveDict))
        else:
            prepared.prepare_headers({name: value for name, value in self.headers.items() if value is not None})
        self._add_cookies(prepared, request.cookies)
        if request.data or request.files or request.json is not None:
            prepared.prepare_body(request.data, request.files, request.json)
        else:
            prepared.prepare_content_length(None)
        auth = self._auth_of(request, prepared)
        if not is_plain or auth or self.auth or "@" in self._place:  # a URL may have a login
            prepared.prepare_auth(self.auth if auth is None else auth, prepared.url or "")
        prepared.prepare_hooks(merge_hooks(request.hooks, self.hooks))
        return prepared

    def _add_cookies(self, prepared: requests.PreparedRequest, cookies: Any) -> None:
        if cookies or len(self.cookies):
            given = cookies if isinstance(cookies, CookieJar) else cookiejar_from_dict(cookies or {})
            prepared.prepare_cookies(merge_cookies(merge_cookies(RequestsCookieJar(), self.cookies), given))
        else:
            prepared._cookies = RequestsCookieJar()  # noqa: SLF001 - what prepare_cookies sets

    def _auth_of(self, request: requests.Request, prepared: requests.PreparedRequest) -> Any:
        """What a call gives itself; else what a netrc file has, unless a call has its own header."""
        if request.auth or self.auth or not self.trust_env:
            return request.auth
        if "Authorization" in prepared.headers:
            return StatedAuth()
        known = self._environment.known()
        files = None if known is None else known.get("netrc") or known.setdefault("netrc", netrc_files())
        if files is not None and not any(map(os.path.exists, files)):
            return None
        return get_netrc_auth(prepared.url or "")

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> dict[str, Any]:
        """Called by requests: what the environment has to say on proxies and certificates."""
        if verify is None and self.ca is not None and self.verify == self.ca:  # REQUESTS_CA_BUNDLE would replace it
            verify = self.ca
        is_usual = self.trust_env and proxies is not None and not proxies and self._is_own(url)
        known = self._environment.known() if is_usual else None
        if known is None:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        if "settings" not in known:
            known["settings"] = (
                get_environ_proxies(url),
                os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"),
            )
        found, authorities = known["settings"]
        if verify in (None, True):
            verify = authorities or verify
        return {
            "proxies": merge_setting(dict(found), self.proxies) if found or self.proxies else {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }

    def _is_own(self, url: str) -> bool:
        """Whether a URL leads to the service; nothing reads another host out of one that begins like this."""
        return url.startswith(self._place) and url[len(self._place) : len(self._place) + 1] == "/"

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request, with the client's timeouts unless `timeout` is given.

        Raises:
            ForeignOriginError: it leads to another origin, and is no redirect of the service's own; or it is one that
                would take the request's body along (status 307 and 308).
            DeadlineError: no time is left for it.
        """
        url = request.url or ""
        if not self._is_own(url):
            self._refuse(request, origin_sent_to(url), kwargs)
        timeout = kwargs.get("timeout", self.timeout)
        if not isinstance(timeout, Limits):
            kwargs["timeout"] = limits(timeout, self.total_timeout, is_own=timeout != self.timeout)
        response = super().send(request, **kwargs)
        # the adapter has read the answer to its end, which is no part of what requests calls elapsed
        until_head = getattr(response, "_until_head", None)
        if until_head is not None:
            response.elapsed = timedelta(seconds=until_head)
        return response

    def _refuse(self, request: requests.PreparedRequest, found: Origin | None, kwargs: dict[str, Any]) -> None:
        """Raise where a request must not be sent to another origin, and let it take nothing along where it may be."""
        if found in self._origins:
            return
        if getattr(request, "_left_by_redirect", None) is not self._origin:
            raise foreign(found, self._origin)
        if request.body is not None:
            raise foreign(found, self._origin, "the service's redirect, which asks for the request's body,")
        kwargs["cert"] = None  # a client certificate is for the service alone

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called by requests for every redirect: one to another origin takes nothing of the session along.

        Nothing is refused here, but when it is sent: requests makes this request too where redirects are not followed.
        """
        found = origin_sent_to(prepared_request.url or "")
        if found in self._origins:
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


def _prepared(url: str) -> str:
    """A URL as requests prepares it; what can be appended as it is gives a URL that is prepared too."""
    return (requests.Request("GET", url).prepare().url or "").rstrip("/")


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
