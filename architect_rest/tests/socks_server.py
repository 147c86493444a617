"""A SOCKS proxy for versions 4, 4a and 5 (RFC 1928, RFC 1929).

`python socks_server.py [USER:PASSWORD]` prints its port, and then a line for each connection: the version, whether the
client sent a host name ("name") or an address ("address"), the host and the port, and the user.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import sys
import threading


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    server: Proxy

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error):
            version = self.rfile.read(1)[0]
            target = self._socks5() if version == 5 else self._socks4()
            if target is not None:
                self._relay(version, target)

    def _socks5(self) -> tuple[str, str, int, str] | None:
        methods = self.rfile.read(self.rfile.read(1)[0])
        method, user = (2 if self.server.login else 0), ""
        if method not in methods:
            self.wfile.write(b"\5\xff")  # no acceptable methods
            return None
        self.wfile.write(bytes([5, method]))
        if method == 2:
            self.rfile.read(1)
            user, password = (self.rfile.read(self.rfile.read(1)[0]).decode() for _ in range(2))
            is_right = f"{user}:{password}" == self.server.login
            self.wfile.write(b"\1\0" if is_right else b"\1\1")
            if not is_right:
                return None
        _, _, _, kind = self.rfile.read(4)
        if kind == 3:
            what, host = "name", self.rfile.read(self.rfile.read(1)[0]).decode()
        else:
            family, length = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            what, host = "address", socket.inet_ntop(family, self.rfile.read(length))
        return what, host, *struct.unpack("!H", self.rfile.read(2)), user

    def _socks4(self) -> tuple[str, str, int, str]:
        _, port, address = struct.unpack("!BH4s", self.rfile.read(7))
        user = self._text()
        if address[:3] == bytes(3):
            return "name", self._text(), port, user
        return "address", socket.inet_ntoa(address), port, user

    def _text(self) -> str:
        return b"".join(iter(lambda: self.rfile.read(1), b"\0")).decode()

    def _relay(self, version: int, target: tuple[str, str, int, str]) -> None:
        what, host, port, user = target
        self.server.report(f"{version} {what} {host}:{port} {user}".rstrip())
        try:
            upstream = socket.create_connection((host, port), 10)
        except OSError:
            self.wfile.write(bytes([5, 5, 0, 1, *bytes(6)]) if version == 5 else bytes([0, 91, *bytes(6)]))
            return
        upstream.settimeout(None)
        self.wfile.write(bytes([5, 0, 0, 1, *bytes(6)]) if version == 5 else bytes([0, 90, *bytes(6)]))
        with upstream:
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)


class Proxy(socketserver.ThreadingTCPServer):
    """The proxy; it requires `login` unless that is empty."""

    daemon_threads = True

    def __init__(self, login: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.login = login

    def report(self, line: object) -> None:
        """Print a line."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main(login: str = "") -> None:
    proxy = Proxy(login)
    proxy.report(proxy.server_address[1])
    proxy.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
