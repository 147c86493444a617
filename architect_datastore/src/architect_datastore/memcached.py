"""Memcached (https://docs.memcached.org)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field

from architect_core.contract import Credentials, DatastoreTarget
from architect_core.exceptions import DriverError
from architect_core.plugins.known import port_of
from architect_datastore.arguments import client_context, given, translated
from architect_datastore.kit.url import build_host
from architect_datastore.options import TLS
from architect_datastore.tls import Flag, TlsOptions, TlsParser

_SOCKET = re.compile(r"(mem[a-z]+://)(/[^?#]+)(.*)", re.IGNORECASE | re.DOTALL)  # as django-environ writes them


class MemcachedOptions(TlsOptions):
    """Options of a Memcached datastore.

    Attributes:
        connect_timeout: seconds that connecting may take.
        timeout: seconds that a response may take.
        key_prefix: what all keys start with.
    """

    connect_timeout: float | None = Field(default=None, gt=0)
    timeout: float | None = Field(default=None, gt=0)
    key_prefix: str | None = None


_SAME = {name: name for name in ("connect_timeout", "timeout", "key_prefix")}


def pymemcache(db: Credentials) -> dict[str, Any]:
    """`pymemcache.HashClient`, for one server and for several."""
    arguments = translated(db, "pymemcache", _SAME, *TLS)
    _check_login(db, "pymemcache")
    if "key_prefix" in arguments:
        arguments["key_prefix"] = arguments["key_prefix"].encode()
    servers = [host if host.startswith("/") else (host, port) for host, port in db.hosts]
    return {**arguments, "servers": servers, **_context(db, "pymemcache", "tls_context")}


def bmemcached(db: Credentials) -> dict[str, Any]:
    """`bmemcached.Client` of python-binary-memcached, which logs in by SASL."""
    arguments = translated(db, "python-binary-memcached", {"timeout": "socket_timeout"}, *TLS)
    arguments |= given(username=db.username, password=db.password)
    return {**arguments, "servers": _servers(db), **_context(db, "python-binary-memcached", "tls_context")}


def aiomcache(db: Credentials) -> dict[str, Any]:
    """`aiomcache.Client`, which has one server."""
    translated(db, "aiomcache", {}, *TLS)
    _check_login(db, "aiomcache")
    if len(db.hosts) > 1 or (db.host or "").startswith("/"):
        raise DriverError("aiomcache connects to one host and port; use pymemcache")
    context = _context(db, "aiomcache", "ssl")
    return {"host": db.host, "port": db.port, **({"conn_args": context} if context else {})}


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `CACHES`, with pymemcache."""
    arguments = pymemcache(db)
    options = {key: value for key, value in arguments.items() if key not in {"servers", "key_prefix"}}
    prefix = given(KEY_PREFIX=db.options.get("key_prefix"))
    backend = "django.core.cache.backends.memcached.PyMemcacheCache"
    return {
        "BACKEND": backend,
        "LOCATION": _servers(db, "unix:"),
        **prefix,
        **({"OPTIONS": options} if options else {}),
    }


def _servers(db: Credentials, start: str = "") -> list[str]:
    return [start + host if host.startswith("/") else build_host(host, port) for host, port in db.hosts]


def _context(db: Credentials, driver: str, name: str) -> dict[str, Any]:
    return {} if db.options.get("sslmode") in {None, "disable"} else {name: client_context(db, driver)}


def _check_login(db: Credentials, driver: str) -> None:
    if db.username is not None or db.password is not None:
        raise DriverError(f"{driver} cannot log in to Memcached; use python-binary-memcached")


class MemcachedParser(TlsParser):
    """Credentials for Memcached's clients: `pymemcache.HashClient(**db.for_driver("pymemcache"))`.

    A socket is a `host` that starts with "/", or a URL such as "memcached:///run/memcached.sock".
    """

    Options = MemcachedOptions
    several_hosts = True
    default_host = "localhost"
    encrypted = Flag("tls")
    socket = None
    keys: ClassVar = {"hosts": ("servers", "nodes", "memcacheservers", "memcachedservers", "memcachierservers")}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; a path in a URL without a host is a socket."""
        if match := _SOCKET.fullmatch(target.config.url or ""):
            url = match[1] + quote(match[2], safe="%") + match[3]
            target = replace(target, config=target.config.model_copy(update={"url": url}))
        return super().credentials(target)


PARSER = MemcachedParser(
    "memcached",
    port_of("memcached"),
    schemes={"memcached": "memcached", "memcache": "memcached"},
    drivers={
        "pymemcache": pymemcache,
        **dict.fromkeys(("python-binary-memcached", "bmemcached"), bmemcached),
        "aiomcache": aiomcache,
        "django": django,
    },
)
