"""Asks a WSGI application in this thread, and reads its answer as `requests` reads one from a socket."""

from __future__ import annotations

import io
import sys
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.handlers import SimpleHandler

import urllib3

if TYPE_CHECKING:
    from collections.abc import Generator
    from wsgiref.types import WSGIApplication

    import requests
    from _typeshed import WriteableBuffer

REQUEST_KEY = "architect.request"
"""Where the environment of a request has the `requests.PreparedRequest`."""


def answer(application: WSGIApplication, environ: dict[str, Any]) -> urllib3.HTTPResponse:
    """The answer, whose body is asked of `application` as far as it is read. What `application` raises is raised."""
    wire: Any = _Wire(application, environ)
    response = HTTPResponse(wire, method=environ["REQUEST_METHOD"])
    try:
        response.begin()
    except BaseException:
        response.close()
        raise
    return urllib3.HTTPResponse(  # as urllib3 makes one
        body=response,
        headers=urllib3.HTTPHeaderDict(response.msg.items()),
        status=response.status,
        version=response.version,
        reason=response.reason,
        preload_content=False,
        decode_content=False,
        original_response=response,
        request_method=environ["REQUEST_METHOD"],
        request_url=environ[REQUEST_KEY].url,
    )


def read_body(body: Any) -> bytes:
    """The bytes that `requests` would send for the body of a prepared request: a text, bytes, a file or an iterable.

    >>> read_body(iter(["a", b"b"]))
    b'ab'
    """
    if body is None:
        return b""
    if isinstance(body, str | bytes | bytearray):
        return _bytes(body)
    if hasattr(body, "read"):
        return _bytes(body.read())
    return b"".join(_bytes(part) for part in body)


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)


def environ_of(request: requests.PreparedRequest, body: bytes, base_url: str) -> dict[str, Any]:
    """The environment (PEP 3333) of a request to an application that is mounted at the base path.

    A body of unknown length comes with its length, as from a proxy that collects it.
    """
    url, base = urlsplit(request.url or ""), urlsplit(base_url).path
    below = url.path.startswith(f"{base}/")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": base if below else "",
        "PATH_INFO": unquote_to_bytes(url.path[len(base) :] if below else url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTPS": "on" if url.scheme == "https" else "off",
        "HTTP_HOST": url.netloc.rpartition("@")[2],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        REQUEST_KEY: request,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = text
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


class _Handler(SimpleHandler):
    """Runs an application one part of its answer at a time, and leaves what it raises alone."""

    os_environ: dict[str, str] = {}  # noqa: RUF012 - the process's environment is not the application's business
    http_version = "1.1"
    environ: dict[str, Any]

    def parts(self, application: WSGIApplication) -> Generator[None, None, None]:
        self.setup_environ()
        self.result = application(self.environ, self.start_response)
        for part in self.result:
            self.write(part)
            yield
        self.finish_content()


class _Wire(io.RawIOBase):
    """Where http.client expects a socket: gives what the application writes, and has it write on when that is read."""

    def __init__(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        self._written = bytearray()
        self._handler = _Handler(environ["wsgi.input"], self, sys.stderr, environ)  # type: ignore[arg-type] # it writes
        self._parts = self._handler.parts(application)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - a socket's signature
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._written and next(self._parts, self) is None:
            pass
        view = memoryview(buffer)
        count = min(len(view), len(self._written))
        view[:count] = self._written[:count]
        del self._written[:count]
        return count

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._parts.close()
            self._handler.close()  # which closes the application's answer
        super().close()
