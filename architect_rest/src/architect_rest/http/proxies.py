"""A proxy for HTTP, as requests and curl write it."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy; `login` is the value of the header Proxy-Authorization, or empty."""

    host: str
    port: int
    is_tls: bool
    login: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Returns the proxy that a URL names; raises OSError if it is malformed, or has another scheme."""
        with suppress(ValueError):  # its message could show a password
            split = urlsplit(url)
            default = _PORTS.get(split.scheme)
            if split.hostname and default is not None:
                login = ""
                if split.username is not None:
                    plain = f"{unquote(split.username)}:{unquote(split.password or '')}"
                    login = f"Basic {b64encode(plain.encode()).decode()}"
                return cls(split.hostname, split.port or default, split.scheme == "https", login)
        raise OSError("a proxy of the environment must be http://HOST:PORT or https://HOST:PORT")
