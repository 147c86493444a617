"""redis-py, and kombu's transport for Redis."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from hypothesis import strategies as st
from kombu.utils.url import parse_url

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials, same_host
from url_peers.grammar import joined, optional

_FLOATS = grammar.numbers | st.sampled_from(["0.5", "2.25"])
_OPTIONS = {
    "socket_timeout": _FLOATS,
    "socket_connect_timeout": _FLOATS,
    "socket_keepalive": grammar.switches,
    "retry_on_timeout": grammar.switches,
    "max_connections": grammar.numbers,
    "health_check_interval": grammar.numbers,
    "client_name": grammar.values,
    "protocol": st.sampled_from(["2", "3"]),
    "decode_responses": st.sampled_from(["True", "yes", "1"]),
    "encoding": st.sampled_from(["utf-8", "latin-1"]),
    "encoding_errors": st.sampled_from(["strict", "replace"]),
    "db": st.integers(0, 15).map(str),
    "username": grammar.values,
    "password": grammar.values,
    "socket_read_size": grammar.numbers,
    "lib_name": grammar.values,
    "ssl_min_version": st.just("771"),
    "timeout": grammar.numbers,
    "legacy_responses": grammar.switches,
}
_TLS = {
    "ssl_cert_reqs": st.sampled_from(["none", "required", "optional"]),
    "ssl_check_hostname": grammar.switches,
    "ssl_ca_certs": st.just("/etc/ca.pem"),
    "ssl_certfile": st.just("/etc/client.pem"),
    "ssl_keyfile": st.just("/etc/client.key"),
}
_NUMBERS = st.integers(0, 15).map(str)
_PATHS = optional(joined("/", optional(_NUMBERS), st.sampled_from(["", "", "", "/"])) | joined("/", grammar.words))
_NETLOCS = optional(grammar.netlocs | st.sampled_from([":6380", "my%20host"]))
_SOCKETS = st.sampled_from(["/run/redis.sock", "/tmp/a%20b.sock", "/run/a+b.sock"])
_TCP = joined(st.sampled_from(["redis://", "rediss://"]), grammar.userinfo, _NETLOCS, _PATHS)
_URLS = (
    joined(_TCP, grammar.query(_OPTIONS))
    | joined("rediss://", grammar.userinfo, _NETLOCS, _PATHS, grammar.query({**_OPTIONS, **_TLS}))
    | joined("unix://", grammar.userinfo, _SOCKETS, grammar.query(_OPTIONS))
)
_KOMBU_URLS = joined(_TCP, grammar.query({key: _TLS[key] for key in ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile")}))

_DEFAULTS = {"host": "localhost", "port": 6379, "db": 0}
_KNOWN = {*_OPTIONS, *_TLS, *_DEFAULTS} - {"timeout"}
_SSL_DEFAULTS = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


_MOST = {pool: pool().max_connections for pool in (redis.ConnectionPool, redis.asyncio.ConnectionPool)}


def _facts(arguments: dict[str, Any], connection_class: type | None = None) -> dict[str, Any]:
    """Arguments of a connection, with defaults, and a socket's path in place of a host."""
    found = {key: value for key, value in arguments.items() if value is not None and key in _KNOWN}
    kind = getattr(connection_class, "__name__", "")
    secure = "SSL" in kind or bool(arguments.get("ssl"))
    path = arguments.get("unix_socket_path") or arguments.get("path")
    address = {"path": path, "db": 0} if path is not None or "Unix" in kind else _DEFAULTS
    found = {**address, **({"tls": True, **_SSL_DEFAULTS} if secure else {}), **found}
    if found.get("ssl_cert_reqs") == "optional":  # for a client, OpenSSL verifies then too
        found["ssl_cert_reqs"] = "required"
    if found.get("ssl_cert_reqs") == "none":
        found["ssl_check_hostname"] = False  # as both have it: nothing is verified
        found.pop("ssl_ca_certs", None)
    if "decode_responses" in found:
        found["decode_responses"] = bool(found["decode_responses"])
    if not found.get("password"):  # for redis-py, no password is an empty one
        found.pop("password", None)
    return {key: value if isinstance(value, bool) else str(value) for key, value in same_host(found).items()}


def _given(url: str) -> dict[str, Any]:
    arguments = credentials(url=url).for_driver("redis")
    by_peer(lambda: {"client": redis.Redis(**arguments)})  # knows all of them
    if arguments.get("max_connections") in _MOST.values():
        del arguments["max_connections"]  # the default
    return _facts(arguments)


def _by_pool(pool: Any) -> dict[str, Any]:
    pool.connection_class(**pool.connection_kwargs)  # knows all of them
    count = None if pool.max_connections == _MOST[type(pool)] else pool.max_connections
    return _facts({**pool.connection_kwargs, "max_connections": count}, pool.connection_class)


def _by_kombu(url: str) -> dict[str, Any]:
    read = parse_url(url)
    tls = read.get("ssl", {})
    verify = tls.get("ssl_cert_reqs")
    # as kombu.transport.redis has it
    return same_host(
        {
            "host": read["hostname"] or "localhost",
            "port": str(read["port"] or 6379),
            "username": read["userid"],
            "password": read["password"],
            "db": str(int((read["virtual_host"] or "0").strip("/") or 0)),
            "tls": read["transport"] == "rediss" or "ssl" in read,
            "ssl_cert_reqs": None if verify is None else "none" if verify.name == "CERT_NONE" else "required",
            "ssl_ca_certs": None if verify is not None and verify.name == "CERT_NONE" else tls.get("ssl_ca_certs"),
            "ssl_certfile": tls.get("ssl_certfile"),
        }
    )


def _given_as_kombu(url: str) -> dict[str, Any]:
    found = _given(url)
    names = ("host", "port", "username", "password", "db", "ssl_ca_certs", "ssl_certfile")
    stated = found.get("ssl_cert_reqs") if "ssl_cert_reqs" in url else None
    return {**{key: found.get(key) for key in names}, "tls": bool(found.get("tls")), "ssl_cert_reqs": stated}


PEERS = [
    Peer(
        "redis-py",
        "https://redis.readthedocs.io/en/stable/connections.html#redis.Redis.from_url",
        _URLS,
        lambda url: _by_pool(redis.ConnectionPool.from_url(url)),
        _given,
    ),
    Peer(
        "redis-py, asyncio",
        "https://redis.readthedocs.io/en/stable/connections.html#redis.asyncio.client.Redis.from_url",
        _URLS,
        lambda url: _by_pool(redis.asyncio.ConnectionPool.from_url(url)),
        _given,
    ),
    Peer(
        "kombu, Redis",
        "https://docs.celeryq.dev/projects/kombu/en/stable/userguide/connections.html#urls",
        _KOMBU_URLS,
        _by_kombu,
        _given_as_kombu,
    ),
]
