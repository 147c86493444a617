"""Middleware that lets signed webhooks through to the application, and refuses others."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from architect_rest.webhooks.signing import TOLERANCE, SignatureError, key_of, verify

if TYPE_CHECKING:
    from architect_core.contract import Event

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

KEY = "architect.event"
_MAX_BYTES = 1 << 20
_SAFE = {"GET", "HEAD", "OPTIONS"}
_NUMBER = re.compile("[0-9]{1,20}")
_SLASHES = re.compile("/+")
_TYPE = "text/plain; charset=utf-8"


class _TooLargeError(Exception):
    pass


class _Guard:
    """Which requests are verified, and how."""

    def __init__(self, secrets: str | Sequence[str], paths: Iterable[str] | None, tolerance: float, limit: int) -> None:
        self.limit = limit
        self._secrets = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        self._paths = None if paths is None else [_normal(path) for path in paths]
        self._tolerance = tolerance
        for secret in self._secrets:
            key_of(secret)
        if not self._secrets:
            raise ValueError("there is no secret to verify signatures with")

    def covers(self, method: str, path: str) -> bool:
        if method in _SAFE:
            return False
        path = _SLASHES.sub("/", path) + "/"
        return self._paths is None or any(path.startswith(each) for each in self._paths)

    def check(self, size: int) -> None:
        if size > self.limit:
            raise _TooLargeError(f"the body has more than {self.limit:,} bytes")

    def verify(self, headers: Mapping[str, str], body: bytes) -> Event:
        return verify(headers, body, self._secrets, tolerance=self._tolerance)


class SignatureMiddleware:
    """Wraps a WSGI application, such as Flask's `app.wsgi_app`: only signed requests get through to it.

        app.wsgi_app = SignatureMiddleware(app.wsgi_app, os.environ["WEBHOOK_SECRET"], paths=["/event"])

        @app.post("/event")
        def receive():
            event = request.environ["architect.event"]

    It covers requests of all methods but GET, HEAD and OPTIONS. One that `verify` refuses is answered with 401 and the
    reason, one that is too large with 413. The application reads the body as usual.

    Args:
        app: the application.
        secrets: any of these has signed a request; several while one is replaced by another.
        paths: the paths that are covered, with all that are below them; all if it is None.
        tolerance: seconds that a signature may be old; see `verify` about requests that are repeated within them.
        max_bytes: of a body, which is read into memory.

    Raises:
        ValueError: there is no secret, or a secret or a path is malformed.
    """

    def __init__(
        self,
        app: WsgiApp,
        secrets: str | Sequence[str],
        *,
        paths: Iterable[str] | None = None,
        tolerance: float = TOLERANCE,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self.app = app
        self._guard = _Guard(secrets, paths, tolerance, max_bytes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request (PEP 3333)."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if not self._guard.covers(environ["REQUEST_METHOD"], path):
            return self.app(environ, start_response)
        try:
            body = self._read(environ)
            named = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
            event = self._guard.verify(named | {"content-type": environ.get("CONTENT_TYPE", "")}, body)
        except (SignatureError, _TooLargeError) as refusal:
            status = "401 Unauthorized" if isinstance(refusal, SignatureError) else "413 Content Too Large"
            reason = str(refusal).encode()
            start_response(status, [("Content-Type", _TYPE), ("Content-Length", str(len(reason)))])
            return [reason]
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.update({"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), KEY: event})
        return self.app(environ, start_response)

    def _read(self, environ: Mapping[str, Any]) -> bytes:
        length = environ.get("CONTENT_LENGTH") or ""
        if _NUMBER.fullmatch(length):
            self._guard.check(int(length))
            return _read(environ["wsgi.input"], int(length))
        if not environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" not in environ:
            return b""  # there is no body, and reading could wait for ever
        body = _read(environ["wsgi.input"], self._guard.limit + 1)
        self._guard.check(len(body))
        return body


class AsgiSignatureMiddleware:
    """Wraps an ASGI application, such as Starlette's or FastAPI's: only signed requests get through to it.

        app.add_middleware(AsgiSignatureMiddleware, secrets=os.environ["WEBHOOK_SECRET"], paths=["/event"])

        @app.post("/event")
        async def receive(request: Request):
            event = request.scope["architect.event"]

    It does what `SignatureMiddleware` does, and has the same arguments.
    """

    def __init__(
        self,
        app: AsgiApp,
        secrets: str | Sequence[str],
        *,
        paths: Iterable[str] | None = None,
        tolerance: float = TOLERANCE,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self.app = app
        self._guard = _Guard(secrets, paths, tolerance, max_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection (https://asgi.readthedocs.io)."""
        if scope["type"] != "http" or not self._guard.covers(scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            body = await self._read(headers.get("content-length", ""), receive)
            if body is None:
                return
            event = self._guard.verify(headers, body)
        except (SignatureError, _TooLargeError) as refusal:
            reason = str(refusal).encode()
            given = [(b"content-type", _TYPE.encode()), (b"content-length", str(len(reason)).encode())]
            status = 401 if isinstance(refusal, SignatureError) else 413
            await send({"type": "http.response.start", "status": status, "headers": given})
            await send({"type": "http.response.body", "body": reason})
            return
        read = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_again() -> MutableMapping[str, Any]:
            for message in read:
                return message
            return await receive()

        await self.app({**scope, KEY: event}, receive_again, send)

    async def _read(self, length: str, receive: Receive) -> bytes | None:
        """Returns the body, or None if the client has disconnected."""
        if _NUMBER.fullmatch(length):
            self._guard.check(int(length))
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            self._guard.check(len(body))
        return bytes(body)


def _normal(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} must start with '/'")
    return _SLASHES.sub("/", f"{path}/")


def _read(stream: Any, size: int) -> bytes:
    """Returns `size` bytes, or fewer if the stream ends."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
