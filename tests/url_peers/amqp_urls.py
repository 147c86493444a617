"""pika, aio-pika, and kombu's transport for AMQP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiormq
import kombu
import pika
from aio_pika.connection import make_url
from hypothesis import strategies as st

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials, same_host
from url_peers.grammar import joined, optional

_PATHS = optional(
    joined("/", optional(grammar.strictly_encoded(grammar.values | st.sampled_from(["/", "a%2Fb"]))))
) | joined("/", grammar.words, "/", grammar.words)
_NETLOCS = optional(grammar.netlocs | st.just(":5673"))
_START = joined(st.sampled_from(["amqp://", "amqps://"]), grammar.userinfo, _NETLOCS, _PATHS)
_PIKA = {
    "heartbeat": grammar.numbers | st.just("0"),
    "socket_timeout": grammar.numbers | st.just("2.5"),
    "blocked_connection_timeout": grammar.numbers,
    "channel_max": grammar.numbers,
    "connection_attempts": grammar.numbers,
    "frame_max": st.just("8192"),
    "locale": st.just("de_DE"),
    "retry_delay": grammar.numbers,
    "stack_timeout": grammar.numbers,
}
_AIO_PIKA = {
    "heartbeat": grammar.numbers | st.just("0"),
    "timeout": grammar.numbers,
    "name": grammar.values,
    "auth": st.sampled_from(["plain", "external"]),
    "no_verify_ssl": st.sampled_from(["0", "1"]),
    "cafile": st.just("/etc/ca.pem"),
    "certfile": st.just("/etc/client.pem"),
    "keyfile": st.just("/etc/client.key"),
}


def _by_pika(url: str) -> dict[str, Any]:
    read = pika.URLParameters(url)
    names = (*_PIKA, "host", "port")
    credential = read.credentials
    return same_host(
        {
            **{name: getattr(read, name) for name in names},
            "user": credential.username,
            "password": credential.password,
            "virtual_host": read.virtual_host,
            "tls": read.ssl_options is not None,
        }
    )


_LOOP = asyncio.new_event_loop()


def _by_aio_pika(url: str, **arguments: Any) -> dict[str, Any]:
    async def connection() -> aiormq.Connection:
        return aiormq.Connection(make_url(url), context=arguments.get("ssl_context"))

    read = _LOOP.run_until_complete(connection())
    tls = read.url.scheme == "amqps"
    certs = read.ssl_certs
    return same_host(
        {
            "host": read.url.host or "localhost",
            "port": read.url.port or (5671 if tls else 5672),
            "user": read.url.user or "guest",
            "password": read.url.password or "guest",
            "virtual_host": read.vhost,
            "tls": tls,
            "heartbeat": read.heartbeat_timeout,
            "timeout": read.timeout,
            "name": read.connection_name,
            "auth": read.url.query.get("auth", "plain"),
            "verify": None
            if not tls
            else certs.verify
            if read.ssl_context is None
            else bool(read.ssl_context.verify_mode),
        }
    )


def _given_to_aio_pika(url: str) -> dict[str, Any]:
    arguments = credentials(url=url).for_driver("aio-pika")
    return by_peer(_by_aio_pika, **arguments)


def _of_kombu(read: kombu.Connection) -> dict[str, Any]:
    tls = read.transport_cls == "amqps" or bool(read.ssl)
    return same_host(
        {
            "host": read.hostname or "localhost",
            "port": read.port or (5671 if tls else 5672),
            "user": read.userid or "guest",
            "password": read.password or "guest",
            "virtual_host": read.virtual_host,
            "tls": tls,
        }
    )


def _given_to_kombu(url: str) -> dict[str, Any]:
    arguments = credentials(url=url).for_driver("kombu")
    return by_peer(lambda: _of_kombu(kombu.Connection(**arguments)))


PEERS = [
    Peer(
        "pika",
        "https://pika.readthedocs.io/en/stable/modules/parameters.html#urlparameters",
        joined(_START, grammar.query(_PIKA)),
        _by_pika,
        lambda url: by_peer(_by_pika, credentials(url=url).for_driver("pika")["url"]),
    ),
    Peer(
        "aio-pika",
        "https://docs.aio-pika.org/apidoc.html#aio_pika.connect",
        joined(_START, grammar.query(_AIO_PIKA)),
        _by_aio_pika,
        _given_to_aio_pika,
    ),
    Peer(
        "kombu, AMQP",
        "https://docs.celeryq.dev/projects/kombu/en/stable/userguide/connections.html#urls",
        _START,
        lambda url: _of_kombu(kombu.Connection(url)),
        _given_to_kombu,
    ),
]
