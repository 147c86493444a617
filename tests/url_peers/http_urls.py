"""clickhouse-connect and elasticsearch."""

from __future__ import annotations

import inspect
from typing import Any
from urllib.parse import unquote

from clickhouse_connect.driver import _parse_connection_params as clickhouse_parameters
from clickhouse_connect.driver.httpclient import HttpClient
from elastic_transport.client_utils import basic_auth_to_header, url_to_node_config
from hypothesis import strategies as st

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials, same_host
from url_peers.grammar import joined, optional

_PATHS = optional(
    joined("/", optional(grammar.encoded(grammar.values)), st.sampled_from(["", "", "/"])) | st.just("/%2Fa")
)
_CLICKHOUSE = {
    "connect_timeout": grammar.numbers,
    "send_receive_timeout": grammar.numbers,
    "client_name": grammar.values,
    "compress": st.sampled_from(["lz4", "false"]),
    "verify": st.sampled_from(["true", "false", "proxy"]),
    "ca_cert": st.sampled_from(["/etc/ca.pem", "certifi"]),
    "secure": st.sampled_from(["true", "false"]),
    "server_host_name": grammar.names,
    "session_id": grammar.words,
    "query_limit": grammar.numbers,
}
_CLICKHOUSE_URLS = joined(
    st.sampled_from(["clickhouse://", "clickhouse://", "http://", "https://", "clickhouses://", "clickhousedb://"]),
    grammar.userinfo,
    optional(grammar.netlocs | st.sampled_from(["h:8443", "h:443"])),
    _PATHS,
    grammar.query(_CLICKHOUSE),
)
_KNOWN = set(inspect.signature(HttpClient).parameters)
_SWITCHES = {"true": True, "false": False}


def _by_clickhouse(dsn: str | None, **arguments: Any) -> dict[str, Any]:
    fields = ("host", "username", "password", "port", "database", "interface", "secure")
    stated = {key: arguments.pop(key, None) for key in fields}
    rest = dict(arguments)
    host, username, password, port, database, interface = clickhouse_parameters(
        **{**stated, "password": stated["password"] or "", "secure": stated["secure"] or False}, dsn=dsn, kwargs=rest
    )
    if not rest.keys() <= _KNOWN:
        raise TypeError("unexpected keyword argument")
    options = {key: _SWITCHES.get(str(value).lower(), str(value)) for key, value in rest.items()}
    verify = {"verify": True} if interface == "https" else {}
    if options.get("verify") is False:
        options.pop("ca_cert", None)  # which nothing is verified with
    return same_host(
        {
            "host": host,
            "port": port,
            "username": username or None,
            "password": password or None,
            "database": database or None,
            "interface": interface,
            **verify,
            **options,
        }
    )


def _given_to_clickhouse(url: str) -> dict[str, Any]:
    return by_peer(_by_clickhouse, None, **credentials(type="clickhouse", url=url).for_driver("clickhouse-connect"))


def _by_elasticsearch(url: str, **_: Any) -> dict[str, Any]:
    read = url_to_node_config(url)
    return same_host(
        {
            "scheme": read.scheme,
            "host": read.host.replace("%25", "%"),
            "port": read.port,
            "path": unquote(read.path_prefix).rstrip("/"),
            "login": read.headers.get("authorization"),
        }
    )


def _given_to_elasticsearch(url: str) -> dict[str, Any]:
    arguments = credentials(type="elasticsearch", url=url).for_driver("elasticsearch")
    found = by_peer(_by_elasticsearch, arguments["hosts"][0])
    login = arguments.get("basic_auth")
    if isinstance(login, tuple):
        found["login"] = basic_auth_to_header(login)
    elif login is not None:
        found["login"] = f"Basic {login}"
    return found


PEERS = [
    Peer(
        "clickhouse-connect",
        "https://clickhouse.com/docs/integrations/language-clients/python/driver-api",
        _CLICKHOUSE_URLS,
        _by_clickhouse,
        _given_to_clickhouse,
    ),
    Peer(
        "elasticsearch",
        "https://www.elastic.co/docs/reference/elasticsearch/clients/python/connecting",
        joined(st.sampled_from(["http://", "https://"]), grammar.userinfo, grammar.netlocs, _PATHS),
        _by_elasticsearch,
        _given_to_elasticsearch,
    ),
]
