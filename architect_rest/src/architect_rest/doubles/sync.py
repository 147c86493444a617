"""Connects `RestClient` to a double."""

from __future__ import annotations

import io
from http.client import HTTPMessage, responses
from typing import TYPE_CHECKING, Any

import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests
    from _typeshed import WriteableBuffer

    from architect_rest.doubles.stand_in import Reply, StandIn


class DoubleAdapter(HTTPAdapter):
    """The adapter of a client whose requests a double answers."""

    __attrs__ = [*HTTPAdapter.__attrs__, "stand_in", "base_url"]  # noqa: RUF012 - what requests' pickling reads

    def __init__(self, stand_in: StandIn, base_url: str) -> None:
        super().__init__()
        self.stand_in = stand_in
        self.base_url = base_url

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:  # noqa: ARG002, D102 - as requests documents it
        received = self.stand_in.receive(request, self.base_url)
        try:
            return self.build_response(request, as_urllib3(self.stand_in.behaviour.respond(received), request))
        except RequestException as problem:
            problem.request = problem.request or request
            raise


def as_urllib3(reply: Reply, request: requests.PreparedRequest) -> urllib3.HTTPResponse:
    """A reply as urllib3 returns one that it receives."""
    if request.method == "HEAD" or reply.status in {204, 304}:
        reply.rest.close()
        body = _Body(reply.headers, b"", io.BytesIO())
    else:
        body = _Body(reply.headers, reply.first, reply.rest)
    return urllib3.HTTPResponse(
        body=body,
        headers=urllib3.HTTPHeaderDict(reply.headers),
        status=reply.status,
        version=11,
        reason=responses.get(reply.status, "Unknown") if reply.reason is None else reply.reason,
        preload_content=False,
        decode_content=False,
        original_response=body,  # type: ignore[arg-type] # what urllib3 and requests ask of it
        request_method=request.method,
        request_url=request.url,
    )


class _Body(io.RawIOBase):
    """Reads the parts of a body, with what `http.client.HTTPResponse` has beside it."""

    def __init__(self, headers: Sequence[tuple[str, str]], first: bytes, rest: Any) -> None:
        self.msg = HTTPMessage()
        for name, value in headers:
            self.msg[name] = value
        self._unread = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def isclosed(self) -> bool:
        return self.closed

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._unread:
            part = next(self._rest, None)
            if part is None:
                return 0
            self._unread = part
        view = memoryview(buffer)
        count = min(len(view), len(self._unread))
        view[:count], self._unread = self._unread[:count], self._unread[count:]
        return count

    def close(self) -> None:
        self._rest.close()
        super().close()
