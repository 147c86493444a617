"""Middleware for servers: the calls that are made for a request end when its caller stops waiting."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from architect_core.deadline import deadline
from architect_rest.policy.limits import REMAINING_HEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Scope = MutableMapping[str, Any]
    AsgiApp = Callable[[Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]
    WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_WSGI_KEY = "HTTP_" + REMAINING_HEADER.upper().replace("-", "_")
_ASGI_NAME = REMAINING_HEADER.encode()
_LONGEST = 86_400.0  # seconds


class DeadlineMiddleware:
    """Wraps a WSGI application, such as Flask's `app.wsgi_app`.

        app.wsgi_app = DeadlineMiddleware(app.wsgi_app)

    Architect's clients and Envoy send how long they wait in the header `x-envoy-expected-rq-timeout-ms`. It becomes the
    deadline of the calls that the application makes before it returns; not of those in the iterator that it returns.
    """

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request (PEP 3333)."""
        seconds = _seconds(environ.get(_WSGI_KEY))
        with nullcontext() if seconds is None else deadline(seconds):
            return self.app(environ, start_response)


class AsgiDeadlineMiddleware:
    """Wraps an ASGI application, such as Starlette's or FastAPI's.

        app.add_middleware(AsgiDeadlineMiddleware)

    It does what `DeadlineMiddleware` does, until the application has served the request.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        """Serve a connection (https://asgi.readthedocs.io)."""
        value = dict(scope.get("headers") or ()).get(_ASGI_NAME) if scope["type"] == "http" else None
        seconds = None if value is None else _seconds(value.decode("latin-1"))
        with nullcontext() if seconds is None else deadline(seconds):
            await self.app(scope, receive, send)


def _seconds(milliseconds: str | None) -> float | None:
    """The seconds that a header has; None if it is missing or malformed."""
    if milliseconds is None or not (milliseconds.isascii() and milliseconds.isdigit()):
        return None
    return min(int(milliseconds[:12]) / 1000, _LONGEST)
