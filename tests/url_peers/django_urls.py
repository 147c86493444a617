"""dj-database-url and django-environ: entries of Django's `DATABASES`."""

from __future__ import annotations

import warnings
from typing import Any

import dj_database_url
import environ
from hypothesis import strategies as st

from url_peers import grammar
from url_peers.comparing import Peer, credentials
from url_peers.grammar import joined, optional

_OPTIONS = {
    "application_name": grammar.values,
    "connect_timeout": grammar.numbers,
    "sslmode": st.sampled_from(["disable", "require", "verify-full"]),
    "sslrootcert": st.just("/etc/ca.pem"),
    "options": st.just("-csearch_path=a"),
    "target_session_attrs": st.just("read-write"),
    "currentSchema": st.sampled_from(["app", "a.b", "x-1_y", "a,b"]),
}
_MYSQL = {
    "charset": st.just("utf8mb4"),
    "connect_timeout": grammar.numbers,
    "init_command": st.just("SET a=1"),
    "ssl-ca": st.just("/etc/ca.pem"),
    "read_timeout": grammar.numbers,
    "unix_socket": st.just("/run/my.sock"),
    "reconnect": st.just("true"),
    "conn_max_age": st.just("600"),
}
_POSTGRES = st.sampled_from(["postgres://", "postgresql://", "postgis://", "pgsql://"])
_MYSQLS = st.sampled_from(["mysql://", "mysql2://"])
_PATHS = joined("/", optional(grammar.encoded(grammar.values)), st.sampled_from(["", "", "", "/"]))
_SOCKETS = st.sampled_from(["%2Frun%2Fpg", "%2Frun%2FPg"])
_FILES = st.sampled_from(["a.db", "/tmp/a.db", "a%20b.db", ":memory:", ""])


def _urls(schemes: grammar.Texts, netlocs: grammar.Texts, options: dict[str, grammar.Texts]) -> grammar.Texts:
    return joined(schemes, grammar.userinfo, optional(netlocs), _PATHS, grammar.query(options))


_SQLITE = joined("sqlite:///", _FILES, grammar.query({"timeout": grammar.numbers}))
_DJ = (
    _urls(_POSTGRES, grammar.netlocs | _SOCKETS, _OPTIONS)
    | _urls(_MYSQLS, grammar.netlocs, {key: drawn for key, drawn in _MYSQL.items() if key != "conn_max_age"})
    | _SQLITE
)
_ENVIRON = (
    _urls(_POSTGRES, grammar.several, {**_OPTIONS, "conn_max_age": st.just("600")})
    | _urls(_MYSQLS, grammar.netlocs, _MYSQL)
    | _SQLITE
    | joined(_POSTGRES, "/", st.sampled_from(["/run/pg/d", "/cloudsql/p:r:i/d"]))
)
_DEFAULTS = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "DISABLE_SERVER_SIDE_CURSORS": False}


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with default ports, and its options as texts."""
    found = {key: value for key, value in entry.items() if value not in ("", None)}
    options = found.pop("OPTIONS", {})
    if "unix_socket" in options:  # Django's backend has a host that is one
        found |= {"HOST": options.pop("unix_socket"), "PORT": None}
    tls = options.get("ssl_mode") not in {None, "DISABLED", "PREFERRED"} or bool(options.get("ssl"))
    port = {"postgresql": "5432", "postgis": "5432", "mysql": "3306"}.get(found["ENGINE"].rpartition(".")[2])
    shown = {f"option {key}": _text(value) for key, value in options.items() if key not in {"ssl_mode", "ssl"}}
    ssl = options.get("ssl", {})
    if found["ENGINE"].endswith("mysql"):
        found.setdefault("HOST", "localhost")
        found |= {"tls": tls, "ca": ssl.get("ca")}
    for key, default in _DEFAULTS.items():
        if found.get(key) == default:
            del found[key]
    hosts = str(found.get("HOST", "")).split(",")
    ports = str(found.get("PORT", "")).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    found["PORT"] = ",".join(each or port or "" for each in ports)
    if found["ENGINE"].endswith("mysql") and str(found.get("HOST", "")).startswith("/"):
        del found["PORT"]
    host = found.get("HOST")
    return {**found, "HOST": host if host is None or "/" in host else host.lower(), **shown}


def _text(value: object) -> str:
    """A value as text: numbers and booleans alike, however they are written."""
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return text.lower() if text.lower() in {"true", "false"} else text


def _given(url: str) -> dict[str, Any]:
    return _facts(credentials(url=url).for_driver("django"))


def _by_environ(url: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return _facts(environ.Env.db_url_config(url))


PEERS = [
    Peer(
        "dj-database-url",
        "https://github.com/jazzband/dj-database-url#url-schema",
        _DJ,
        lambda url: _facts(dict(dj_database_url.parse(url))),
        _given,
    ),
    Peer(
        "django-environ",
        "https://django-environ.readthedocs.io/en/latest/types.html#environ-env-db-url",
        _ENVIRON,
        _by_environ,
        _given,
    ),
]
