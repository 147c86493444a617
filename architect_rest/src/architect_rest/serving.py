"""Middleware that has the calls made for a request end when its caller stops waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from architect_core.deadline import deadline
from architect_rest.adapter import REMAINING_HEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Scope = MutableMapping[str, Any]
    AsgiApp = Callable[[Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]
    WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_WSGI_KEY = "HTTP_" + REMAINING_HEADER.upper().replace("-", "_")
_ASGI_NAME = REMAINING_HEADER.encode()
_LONGEST = 86_400.0  # seconds: a caller that waits longer is not waited for


class DeadlineMiddleware:
    """Wraps a WSGI application, such as Flask's `app.wsgi_app`.

        app.wsgi_app = DeadlineMiddleware(app.wsgi_app)

    Architect's clients, and Envoy, say how long they wait in the header `x-envoy-expected-rq-timeout-ms`. What the
    application calls before it returns then takes no longer; an answer's iterator is not watched.
    """

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request (PEP 3333)."""
        seconds = _seconds(environ.get(_WSGI_KEY))
        if seconds is None:
            return self.app(environ, start_response)
        with deadline(seconds):
            return self.app(environ, start_response)


class AsgiDeadlineMiddleware:
    """Wraps an ASGI application, such as Starlette's or FastAPI's.

        app.add_middleware(AsgiDeadlineMiddleware)

    It does what `DeadlineMiddleware` does, for as long as the application serves the request.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(
        self, scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        """Serve a connection (https://asgi.readthedocs.io)."""
        told = dict(scope.get("headers") or ()).get(_ASGI_NAME) if scope["type"] == "http" else None
        seconds = None if told is None else _seconds(told.decode("latin-1"))
        if seconds is None:
            await self.app(scope, receive, send)
            return
        with deadline(seconds):
            await self.app(scope, receive, send)


def _seconds(milliseconds: str | None) -> float | None:
    """What a header says; None where that is nothing that can be meant."""
    if milliseconds is None or not (milliseconds.isascii() and milliseconds.isdigit()):
        return None
    return min(int(milliseconds[:12]) / 1000, _LONGEST)
