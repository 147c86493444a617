"""libpq, through psycopg, and asyncpg."""

from __future__ import annotations

import os
import re
from typing import Any
from unittest.mock import patch

from asyncpg.connect_utils import _parse_connect_dsn_and_args as asyncpg_arguments
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials
from url_peers.grammar import joined, optional

DOCUMENTATION = "https://www.postgresql.org/docs/current/libpq-connect.html"

_FREE = {
    "application_name": grammar.values,
    "connect_timeout": grammar.numbers,
    "client_encoding": st.sampled_from(["utf8", "auto"]),
    "options": st.sampled_from(["-c search_path=a,b", "-csearch_path=a", "-c geqo=off -c statement_timeout=5min"]),
    "target_session_attrs": st.sampled_from(["any", "read-write", "primary", "prefer-standby"]),
}
_TLS = {
    "sslmode": st.sampled_from(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
    "sslrootcert": st.sampled_from(["/etc/ca.pem", "system", "ca.pem"]),
    "sslcert": st.just("/etc/client.pem"),
    "sslkey": st.just("/etc/client.key"),
    "ssl": st.just("true"),
    "channel_binding": st.sampled_from(["prefer", "require"]),
}
_LIBPQ = {
    "gssencmode": st.sampled_from(["disable", "prefer"]),
    "keepalives": st.sampled_from(["0", "1"]),
    "keepalives_idle": grammar.numbers,
    "fallback_application_name": grammar.values,
    "passfile": st.just("/home/a b/.pgpass"),
    "require_auth": st.just("scram-sha-256,none"),
    "replication": st.just("database"),
}
_FIELDS = {
    "user": grammar.values,
    "password": grammar.values,
    "dbname": grammar.values,
    "host": st.sampled_from(["h", "/run/pg", "a,b", "::1", "/run/pg,b", "10.0.0.1"]),
    "port": st.sampled_from(["5433", "1,2", "1,"]),
}
_SOCKETS = st.sampled_from(["%2Frun%2Fpg", "%2Frun%2Fpg:5433", "%2Ftmp%2Fa%20b"])
_NETLOCS = optional(grammar.several | joined(_SOCKETS, optional(joined(",", grammar.netlocs))) | st.just(":5433"))
_PATHS = optional(joined("/", optional(grammar.encoded(grammar.values))))


def _as_connected(found: dict[str, Any]) -> dict[str, Any]:
    """Does what libpq does with options only when it connects: defaults, and what it refuses then."""
    read = {key: str(value) for key, value in found.items() if value != ""}
    count = max(len(read.get(key, "").split(",")) for key in ("host", "hostaddr"))
    ports = read.get("port", "").split(",")
    ports = ports * count if len(ports) == 1 else ports
    if len(ports) != count:
        raise ValueError("could not match port numbers to hosts")
    if read.get("sslrootcert") == "system" and read.setdefault("sslmode", "verify-full") != "verify-full":
        raise ValueError("weak sslmode may not be used with sslrootcert=system")
    return {**read, "port": ",".join(each or "5432" for each in ports)}


def read_by_libpq(text: str) -> dict[str, Any]:
    """What libpq reads in a URL, or in pairs of keyword and value."""
    return _as_connected(conninfo_to_dict(text))


def _given_to_libpq(entry: dict[str, Any]) -> dict[str, Any]:
    arguments = credentials(**entry).for_driver("psycopg")
    return by_peer(lambda: _as_connected(conninfo_to_dict(make_conninfo(**arguments))))


def read_arguments_of_asyncpg(**arguments: Any) -> dict[str, Any]:
    none = dict.fromkeys(
        [
            "dsn",
            "host",
            "port",
            "user",
            "password",
            "passfile",
            "database",
            "ssl",
            "service",
            "servicefile",
            "direct_tls",
            "server_settings",
            "target_session_attrs",
            "krbsrvname",
            "gsslib",
        ]
    )
    own = {key: value for key, value in arguments.items() if key in none}
    # neither root's files nor variables of this environment
    with patch.dict(os.environ, {"HOME": "/nowhere", "PGUSER": "nobody"}):
        addresses, found = asyncpg_arguments(**{**none, **own})
    return {
        "addresses": addresses,
        "user": found.user,
        "password": found.password,
        "database": found.database or found.user,  # as the server has it
        "sslmode": found.sslmode.name,
        "settings": found.server_settings or {},
        "session": found.target_session_attrs,
        "others": {key: value for key, value in arguments.items() if key not in none} or None,
    }


_SCHEMES = st.sampled_from(["postgresql://", "postgres://"])
_QUERIES = grammar.query({**_FREE, **_TLS, **_LIBPQ, **_FIELDS}) | grammar.query(_TLS) | grammar.query(_FIELDS)
_HOSTS_TWICE = joined("postgresql://", grammar.several, "/d", grammar.query(_FIELDS))
_URLS = joined(_SCHEMES, grammar.userinfo, _NETLOCS, _PATHS, _QUERIES) | _HOSTS_TWICE
_ASYNCPG_URLS = joined(
    _SCHEMES,
    grammar.userinfo,
    _NETLOCS,
    _PATHS,
    grammar.query(
        {
            **{key: drawn for key, drawn in _FREE.items() if key != "connect_timeout"},
            "sslmode": st.sampled_from(["disable", "allow", "prefer", "require"]),
            "search_path": grammar.values,
            "database": grammar.values,
            **_FIELDS,
        }
    )
    | grammar.query(_FIELDS),
)


def _quoted(value: str) -> str:
    return "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"


def _escaped(value: str) -> str:
    return re.sub(r"([\\'\s])", r"\\\1", value) or "''"


_PAIRS = [
    st.builds(
        "{}{}{}".format, st.just(name), st.sampled_from(["=", "=", " = "]), drawn.map(_quoted) | drawn.map(_escaped)
    )
    for name, drawn in {**_FREE, **_TLS, **_LIBPQ, **_FIELDS, "host": _FIELDS["host"] | grammar.names}.items()
]
_DSNS = st.builds(
    lambda host, few, space: space.join([host, *few]),
    st.sampled_from(["host=db", "host='db'", "host = /run/pg", "host=a,b", "hostaddr=10.0.0.1"]),
    st.lists(st.sampled_from(_PAIRS), min_size=1, max_size=4, unique_by=id).flatmap(lambda few: st.tuples(*few)),
    st.sampled_from([" ", " ", "  ", "\n"]),
)

PEERS = [
    Peer(
        "libpq, URLs",
        f"{DOCUMENTATION}#LIBPQ-CONNSTRING-URIS",
        _URLS,
        read_by_libpq,
        lambda text: _given_to_libpq({"url": text}),
    ),
    Peer(
        "libpq, keywords and values",
        f"{DOCUMENTATION}#LIBPQ-CONNSTRING-KEYWORD-VALUE",
        _DSNS,
        read_by_libpq,
        lambda text: _given_to_libpq({"type": "postgres", "connection_string": text}),
    ),
    Peer(
        "asyncpg",
        "https://magicstack.github.io/asyncpg/current/api/index.html#asyncpg.connection.connect",
        _ASYNCPG_URLS,
        lambda text: read_arguments_of_asyncpg(dsn=text),
        lambda text: by_peer(read_arguments_of_asyncpg, **credentials(url=text).for_driver("asyncpg")),
    ),
]
