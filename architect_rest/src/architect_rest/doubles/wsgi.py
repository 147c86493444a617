"""Calls a WSGI application (PEP 3333)."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from architect_rest.doubles.stand_in import Behaviour, Reply

if TYPE_CHECKING:
    from collections.abc import Generator
    from wsgiref.types import WSGIApplication

    from architect_rest.doubles.stand_in import Received


class Wsgi(Behaviour):
    """Answers by a WSGI application, which is called in the thread of the client."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def respond(self, received: Received) -> Reply:
        """The application's answer, whose body is produced as far as it is read."""
        head: tuple[str, list[tuple[str, str]]] | None = None
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:  # noqa: ARG001 - its error shows when the application raises it
            nonlocal head
            head = status, headers
            return written.append

        result: Any = self._application(environ_of(received), start_response)
        rest = _parts(result, written)
        first = next(rest, b"")
        assert head is not None, "the WSGI application has not called start_response"  # noqa: S101 - an error of the test
        status, headers = head
        has_length = any(name.lower() == "content-length" for name, _ in headers)
        if isinstance(result, list | tuple) and len(result) == 1 and not has_length:
            headers = [*headers, ("Content-Length", str(len(result[0])))]
        code, _, reason = status.partition(" ")
        return Reply(int(code), headers, first, rest, reason)


def _parts(result: Any, written: list[bytes]) -> Generator[bytes, None, None]:
    try:
        for part in result:
            yield from filter(None, (*written, part))
            written.clear()
        yield from written
    finally:
        if hasattr(result, "close"):
            result.close()


def environ_of(received: Received) -> dict[str, Any]:
    """The environment of a request to an application that is mounted at the base path."""
    request, url = received.request, received.url
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": received.base,
        "PATH_INFO": unquote_to_bytes(url.path[len(received.base) :]).decode("latin-1"),
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(received.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(received.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in received.headers:
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return environ
