"""The fast path of `RestClient`: it sends the same as requests, without repeating for each call what cannot change.

requests parses the URL of a call several times, and goes through all variables of the environment for proxies,
certificates and a netrc file. Here a plain path is appended to the base URL, which was prepared once, and the
environment and the session's headers are read again only after they have changed.
"""

from __future__ import annotations

import os
import re
import sys
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.cookies import RequestsCookieJar, cookiejar_from_dict, merge_cookies
from requests.sessions import merge_hooks, merge_setting
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, get_netrc_auth

from architect_rest.sync.urls import prepared_url

if TYPE_CHECKING:
    from requests import Request, Session

# a path that preparing leaves as it is: no dots to resolve, nothing to encode
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?(?:\?[A-Za-z0-9_.~=&-]+)?")
# elsewhere the system has settings for proxies besides the variables
_IS_ALL = sys.platform not in {"win32", "cygwin", "darwin"}


class FastPath:
    """Prepares plain requests of one session.

    Attributes:
        origin: scheme, host and port of the base URL, as requests prepares them.
        path: its path likewise, without "/" at its end.
    """

    def __init__(self, base_url: str, *, jailed: bool) -> None:
        self._base_url = base_url
        self._jailed = jailed
        self._prepared = prepared_url(base_url)
        self.origin = "/".join(self._prepared.split("/")[:3])
        self.path = self._prepared.removeprefix(self.origin)
        self._own = f"{self.origin}/"
        self._inside = f"{self._prepared}/" if jailed else self._own
        # one object each, so that threads see both or neither
        self._memory: tuple[Any, dict[str, Any]] = (None, {})
        self._checked: tuple[Any, tuple[tuple[str, str | bytes], ...]] = (None, ())

    def is_own(self, url: str) -> bool:
        """Whether a URL begins with the base URL's origin; no parser finds another host in one that does."""
        return url.startswith(self._own)

    def is_inside(self, url: str) -> bool:
        """Whether a URL is certainly one that callers may use; whether others are has to be found out."""
        return url.startswith(self._inside) and not (self._jailed and (".." in url or "%" in url))

    def prepare(self, session: Session, base_url: str, request: Request, path: str) -> PreparedRequest | None:
        """`request` for a plain `path`; None if it is not plain, or another base URL was assigned since."""
        if base_url is not self._base_url or request.params or session.params or not _PLAIN.fullmatch(path):
            return None
        prepared = PreparedRequest()
        prepared.prepare_method(request.method.upper() if request.method else None)
        prepared.url = self._prepared + path
        if request.headers:
            prepared.prepare_headers(merge_setting(request.headers, session.headers, dict_class=CaseInsensitiveDict))
        else:
            prepared.headers = self._session_headers(session)
        if request.cookies or len(session.cookies):
            own = request.cookies
            given = own if isinstance(own, CookieJar) else cookiejar_from_dict(own or {})
            prepared.prepare_cookies(merge_cookies(merge_cookies(RequestsCookieJar(), session.cookies), given))
        else:
            prepared._cookies = RequestsCookieJar()  # noqa: SLF001 - what prepare_cookies sets
        if request.data or request.files or request.json is not None:
            prepared.prepare_body(request.data, request.files, request.json)
        else:
            prepared.prepare_content_length(None)
        auth = request.auth or session.auth or self._netrc_auth(session, prepared)
        if auth or "@" in self.origin:
            prepared.prepare_auth(auth, prepared.url)
        prepared.prepare_hooks(merge_hooks(request.hooks, session.hooks))
        return prepared

    def _session_headers(self, session: Session) -> CaseInsensitiveDict[str | bytes]:
        """Those of the session, which requests checks again only after they have changed."""
        present = tuple(session.headers.items())
        seen, checked = self._checked
        if present != seen:
            prepared = PreparedRequest()
            prepared.prepare_headers({name: value for name, value in present if value is not None})
            checked = tuple(prepared.headers.items())
            self._checked = present, checked
        return CaseInsensitiveDict(checked)

    def _netrc_auth(self, session: Session, prepared: PreparedRequest) -> Any:
        if not session.trust_env:
            return None
        if "Authorization" in prepared.headers:
            return keep_authorization
        known = self._environment()
        files = None if known is None else known.get("netrc") or known.setdefault("netrc", _netrc_files())
        if files is not None and not any(map(os.path.exists, files)):
            return None
        return get_netrc_auth(prepared.url or "")

    def environment_settings(
        self, session: Session, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any] | None:
        """What `Session.merge_environment_settings` returns; None if that has to be asked."""
        is_usual = session.trust_env and proxies is not None and not proxies and self.is_own(url)
        known = self._environment() if is_usual else None
        if known is None:
            return None
        if "settings" not in known:
            authorities = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            known["settings"] = get_environ_proxies(url), authorities
        found, authorities = known["settings"]
        if verify in (None, True):
            verify = authorities or verify
        return {
            "proxies": merge_setting(dict(found), session.proxies) if found or session.proxies else {},
            "stream": session.stream if stream is None else stream,
            "verify": session.verify if verify is None else verify,
            "cert": session.cert if cert is None else cert,
        }

    def _environment(self) -> dict[str, Any] | None:
        """What is remembered for the environment as it is now, to be added to; None if changes cannot be detected.

        Comparing `os.environ` with a copy is cheap: nearly all of its values are the same objects.
        """
        content = getattr(os.environ, "_data", None) if _IS_ALL else None
        if not isinstance(content, dict):
            return None
        seen, known = self._memory
        if content != seen:
            known = {}
            self._memory = content.copy(), known
        return known


def _netrc_files() -> list[str]:
    """Where requests looks for a netrc file."""
    stated = os.environ.get("NETRC")
    return [os.path.expanduser(each) for each in ([stated] if stated else ["~/.netrc", "~/_netrc"])]  # noqa: PTH111 - str is what requests has


def keep_authorization(request: PreparedRequest) -> PreparedRequest:
    """Keeps a call's own `Authorization` header, which requests would replace by the credentials of a netrc file."""
    return request
