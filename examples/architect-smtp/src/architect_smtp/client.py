"""An `smtplib.SMTP` for a whole program."""

import smtplib
import ssl
import threading
from typing import Any


class MailClient(smtplib.SMTP):
    """An `smtplib.SMTP` that any thread may use: threads take turns, and a mail is sent whole.

    It connects, starts TLS and logs in when it is first used, and again where the server has closed the connection.
    """

    def __init__(self, host: str, port: int, timeout: float, login: tuple[str, str] | None, *, starttls: bool) -> None:
        super().__init__(timeout=timeout)
        self._host, self._port, self._login, self._starttls = host, port, login, starttls
        self._turn = threading.RLock()

    def docmd(self, cmd: str, args: str = "") -> tuple[int, bytes]:
        with self._turn:
            self._connect_unless_connected()
            return super().docmd(cmd, args)

    def sendmail(self, *args: Any, **kwargs: Any) -> dict[str, tuple[int, bytes]]:
        with self._turn:
            self._connect_unless_alive()
            return super().sendmail(*args, **kwargs)

    def send_message(self, *args: Any, **kwargs: Any) -> dict[str, tuple[int, bytes]]:
        with self._turn:
            self._connect_unless_alive()
            return super().send_message(*args, **kwargs)

    def _connect_unless_alive(self) -> None:
        try:
            alive = self.sock is not None and super().docmd("NOOP")[0] == 250
        except OSError:
            alive = False
        if not alive:
            self.close()
        self._connect_unless_connected()

    def _connect_unless_connected(self) -> None:
        if self.sock is not None:
            return
        try:
            self.connect(self._host, self._port)
            if self._starttls:
                self.starttls(context=ssl.create_default_context())
            if self._login:
                self.login(*self._login)
        except BaseException:
            self.close()  # half a session is none
            raise
