"""Combines a client with a session class of another library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from requests import Session
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

    from architect_rest.sync.client import RestClient

P = ParamSpec("P")
Mixin = TypeVar("Mixin")


def with_mixin(client: RestClient, mixin: Callable[P, Mixin], /, *arguments: P.args, **named: P.kwargs) -> Mixin:
    """A new client of the same service that is also a `mixin`, a class that changes or extends `requests.Session`.

        cached = with_mixin(architect.service("acme/billing").client, CacheMixin, backend="memory", expire_after=60)
        cached.get("/invoices/7").from_cache

    `arguments` and `named` are passed to the class. The new client starts with the headers, cookies, credentials and
    settings that `client` has, and shares its connections, retries and circuit breaker. What the class sets by itself,
    such as `auth`, applies to the new client; what it mounts for all URLs does not. The class gets absolute URLs.

    Raises:
        TypeError: `mixin` is no class, or does not accept the arguments.
    """
    if not isinstance(mixin, type):
        raise TypeError(f"{mixin!r} is no class; give one that changes or extends requests.Session, such as CacheMixin")

    class Copied(type(client)):  # type: ignore[misc] # the class is a value
        def __init__(self) -> None:
            self.__dict__.update(vars(client), **{name: _copied(getattr(client, name)) for name in Session.__attrs__})
            self.base_url = client.base_url

    class Combined(mixin, Copied):  # type: ignore[misc, valid-type] # likewise
        def request(self, method: str, url: Any, *args: Any, path_params: Any = None, **kwargs: Any) -> Any:
            return super().request(method, self._absolute(url, path_params), *args, **kwargs)

        def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
            Copied.rebuild_auth(self, prepared_request, response)
            if not prepared_request._chain.has_left:  # type: ignore[attr-defined] # noqa: SLF001 - the client's mark
                super().rebuild_auth(prepared_request, response)  # such as OAuth1Session, which signs the request

    Combined.__name__ = Combined.__qualname__ = f"{mixin.__name__}RestClient"
    combined: Any = Combined(*arguments, **named)
    for prefix, adapter in client.adapters.items():
        combined.mount(prefix, adapter)
    return cast("Mixin", combined)


def _copied(value: Any) -> Any:
    """A copy of a session's attribute, so that changing the one of a client does not change that of the other."""
    if isinstance(value, dict):
        return {name: each.copy() if isinstance(each, list) else each for name, each in value.items()}
    return value.copy() if isinstance(value, CaseInsensitiveDict | RequestsCookieJar) else value
