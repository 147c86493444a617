"""The heads of requests and responses are written and read as by urllib3 and `http.client`, the unusual ones too."""

from __future__ import annotations

import http.client
import io
import socket

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import SKIP_HEADER

from architect_rest.sync.connections import TimedPools
from architect_rest.sync.heads import Response, joined

RESPONSES = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another transfer encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{}",
    "neither": b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\n{}",
    "no headers": b"HTTP/1.1 200 OK\r\n\r\n{}",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "an empty reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}",
    "a long reason": b"HTTP/1.1 500  200 not so good \r\nContent-Length: 2\r\n\r\n{}",
    "a reason that is not ASCII": b"HTTP/1.1 200 \xfc\r\nContent-Length: 2\r\n\r\n{}",
    "no content": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    "continue first": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "closes": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: TE, Close\r\n\r\n{}",
    "keeps alive": b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nCONTENT-LENGTH: 2\r\n\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0 keeps alive": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "an unknown status": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
    "a part": b"HTTP/1.1 200 OK\r\nContent-Len",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a lone carriage return": b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\nContent-Length: 2\r\n\r\n{}",
    "lengths that differ": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    "an underscore in the length": b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "an empty length": b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n{}",
    "a length of 5000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "white space": b"HTTP/1.1 200 OK\r\nA: \t b \t\r\nB:c\r\nC:\r\nD:  \r\nContent-Length: 2 \r\n\r\n{}",
    "white space before the colon": b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "a header that begins with white space": b"HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\n{}",
    "an empty name": b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 2\r\n\r\n{}",
    "a name that is no token": b"HTTP/1.1 200 OK\r\nA(b): c\r\nContent-Length: 2\r\n\r\n{}",
    "no colon": b"HTTP/1.1 200 OK\r\nA\r\nContent-Length: 2\r\n\r\n{}",
    "a mailbox's line": b"HTTP/1.1 200 OK\r\nFrom me\r\nContent-Length: 2\r\n\r\n{}",
    "the same name": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\n{}",
    "bytes beyond ASCII": b"HTTP/1.1 200 OK\r\nA: \xfc\x85\xa0\xe2\x80\xa8\r\nContent-Length: 2\r\n\r\n{}",
    "a zero byte": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 2\r\n\r\n{}",
    "a form feed": b"HTTP/1.1 200 OK\r\nA: b\x0cc\r\nContent-Length: 2\r\n\r\n{}",
    "several parts": b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Length: 2\r\n\r\n{}",
    "a message": b"HTTP/1.1 200 OK\r\nContent-Type: message/rfc822\r\nContent-Length: 2\r\n\r\n{}",
    "101 headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    "99 headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99 + b"\r\n",
    "a long line": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    "a head longer than the buffer": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: " + b"b" * 20_000 + b"\r\n\r\n{}",
}
PIECES = [
    b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"304", b"100", b" OK", b"\r\n", b"\n", b"\r", b"A", b": ", b":", b" ", b"\t",
    b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"\xfc", b"\x00",
]  # fmt: skip


def read(kind, method, sent, *, slowly=False):
    """All that a response is after its head was read, and its body; or the error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if slowly:  # the buffer is filled again and again
            ours = Trickling(ours)
        else:
            theirs.setblocking(False)
        ours.settimeout(5)
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        response = kind(ours, method=method)
        try:
            response.begin()
        except (http.client.HTTPException, ValueError) as problem:
            response.close()
            return type(problem), str(problem)
        content = {name: value for name, value in vars(response).items() if name not in {"fp", "headers", "msg"}}
        message = response.headers
        assert message is response.msg
        parsed = vars(message) | {
            "defects": list(map(type, message.defects)),
            "_payload": message.is_multipart() or message.get_payload(),
        }
        try:
            body = response.read()
        except http.client.HTTPException as problem:
            body = type(problem)
        response.close()
        return content, parsed, message.items(), body


class Trickling:
    """A socket whose file is read byte by byte."""

    def __init__(self, sock):
        self.settimeout = sock.settimeout
        self._sock = sock

    def makefile(self, mode):
        """Called by `http.client`."""
        return self._sock.makefile(mode, buffering=1)


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("sent", RESPONSES.values(), ids=RESPONSES)
def test_a_head_is_read_as_by_http_client(sent, method, slowly):
    assert read(Response, method, sent, slowly=slowly) == read(http.client.HTTPResponse, method, sent, slowly=slowly)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_any_head_is_read_as_by_http_client(sent):
    sent = b"HTTP/1.1 200 OK\r\n" + sent
    assert read(Response, "GET", sent) == read(http.client.HTTPResponse, "GET", sent)


def test_a_long_line_is_refused_however_large_the_buffers_of_the_process_are(monkeypatch):
    monkeypatch.setattr(io, "DEFAULT_BUFFER_SIZE", 262_144)  # as clickhouse-connect sets it
    assert read(Response, "GET", RESPONSES["a long line"])[0] is http.client.LineTooLong


def test_the_head_of_a_usual_response_is_read_at_once(monkeypatch):
    monkeypatch.delattr(http.client, "parse_headers")
    content, _, items, body = read(Response, "GET", RESPONSES["a length"])
    assert (content["status"], content["length"], items, body) == (200, 2, [("Content-Length", "2")], b"{}")


def test_a_begin_of_http_client_that_is_replaced_is_called(monkeypatch):
    called, known = [], http.client.HTTPResponse.begin
    monkeypatch.setattr(http.client.HTTPResponse, "begin", lambda self: called.append(self) or known(self))
    read(Response, "GET", RESPONSES["a length"])
    assert len(called) == 1


REQUESTS = {
    "headers": {"Accept": "*/*", "X-A": "1"},
    "its own Host": {"host": "other"},
    "its own Accept-Encoding": {"Accept-Encoding": "br"},
    "a length": {"Content-Length": "2"},
    "an empty value": {"X-A": ""},
    "a value with white space": {"X-A": " b\tc "},
    "a folded value": {"X-A": "b\r\n c"},
    "another header in the value": {"X-A": "b\r\nX-Evil: 1"},
    "another header in the name": {"X-A: b\r\nX-Evil": "1"},
    "a line feed": {"X-A": "b\nX-Evil: 1"},
    "a carriage return": {"X-A": "b\r"},
    "a zero byte": {"X-A": "b\0"},
    "a name with a space": {"X A": "1"},
    "a name that is not ASCII": {"X-Ä": "1"},
    "a value in Latin-1": {"X-A": "ü"},
    "a value beyond Latin-1": {"X-A": "☃"},
    "bytes": {"X-A": b"\xff"},
    "a name in bytes": {b"X-A": "1"},
    "a number": {"X-A": 1},
    "a skipped header": {"User-Agent": SKIP_HEADER, "X-A": "1"},
    "a header that cannot be skipped": {"X-A": SKIP_HEADER},
    "nothing": {},
}


def written(kind, headers, body):
    """What a server is sent, or the error."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = kind("127.0.0.1", server.getsockname()[1], timeout=5)
        connection.connect()
        with server.accept()[0] as accepted:
            try:
                connection.request("POST" if body else "GET", "/x?a=b", body, headers)
            except (TypeError, ValueError, AttributeError) as problem:
                return type(problem), str(problem)
            finally:
                connection.close()
            with accepted.makefile("rb") as file:
                return file.read().replace(str(server.getsockname()[1]).encode(), b"PORT")


@pytest.mark.parametrize("body", [None, b"{}", "ü"])
@pytest.mark.parametrize("headers", REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_written_as_by_urllib3(headers, body):
    wanted = written(urllib3.connection.HTTPConnection, headers, body)
    timed = TimedPools({"http": urllib3.HTTPConnectionPool})["http"].ConnectionCls
    assert written(timed, headers, body) == wanted


@given(st.text(), st.text())
def test_lines_that_are_joined_are_one_header_each(name, value):
    lines = joined([(name, value)])
    assert lines is None or lines.splitlines() == [lines[:-2]]
