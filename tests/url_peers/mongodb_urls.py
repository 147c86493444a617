"""PyMongo."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pymongo.uri_parser import parse_uri

from url_peers import grammar
from url_peers.comparing import Peer, by_peer, credentials
from url_peers.grammar import joined, optional

_OPTIONS = {
    "replicaSet": grammar.words,
    "authSource": grammar.values,
    "authMechanism": st.sampled_from(["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]),
    "appName": grammar.values,
    "appname": grammar.words,
    "w": st.sampled_from(["majority", "1", "2"]),
    "journal": st.sampled_from(["true", "false"]),
    "wTimeoutMS": grammar.numbers,
    "readPreference": st.sampled_from(["secondary", "primaryPreferred", "nearest"]),
    "readConcernLevel": st.sampled_from(["majority", "local"]),
    "maxPoolSize": grammar.numbers,
    "connectTimeoutMS": grammar.numbers,
    "socketTimeoutMS": grammar.numbers,
    "serverSelectionTimeoutMS": grammar.numbers,
    "retryWrites": st.sampled_from(["true", "false"]),
    "directConnection": st.sampled_from(["true", "false"]),
    "loadBalanced": st.just("false"),
    "compressors": st.just("zlib"),
    "zlibCompressionLevel": st.just("5"),
    "uuidRepresentation": st.just("standard"),
    "maxStalenessSeconds": st.just("120"),
    "heartbeatFrequencyMS": st.just("10000"),
    "srvServiceName": st.just("mongodb"),
    "unknownOption": grammar.words,
}
_TLS = {
    "tls": st.sampled_from(["true", "false"]),
    "ssl": st.sampled_from(["true", "false"]),
    "tlsCAFile": st.just("/dev/null"),
    "tlsCertificateKeyFile": st.just("/dev/null"),
    "tlsAllowInvalidCertificates": st.sampled_from(["true", "false"]),
    "tlsAllowInvalidHostnames": st.sampled_from(["true", "false"]),
    "tlsInsecure": st.sampled_from(["true", "false"]),
}
_SOCKETS = st.sampled_from(["%2Ftmp%2Fmongodb-27017.sock", "rel%2Fa.sock", "%2Ftmp%2Fa%20b.sock"])
_NETLOCS = grammar.several | joined(_SOCKETS, optional(joined(",", grammar.netlocs)))
_NAMES = grammar.encoded(grammar.words | grammar.values)
_PATHS = optional(joined("/", optional(_NAMES))) | joined("/", grammar.words, ".", grammar.words)
_TWICE = {"appName": grammar.words, "appname": grammar.words}  # two spellings of one option
_QUERIES = grammar.query({**_OPTIONS, **_TLS}) | grammar.query(_TLS) | grammar.query(_TWICE)
_URLS = joined("mongodb://", grammar.userinfo, _NETLOCS, _PATHS, _QUERIES) | joined(
    "mongodb://",
    grammar.netlocs,
    "/",
    st.sampled_from(["?readPreference=secondary&readPreferenceTags=dc:ny,rack:1&readPreferenceTags="]),
)


_DEFAULTS = [("tls", False), ("tlsallowinvalidcertificates", False), ("tlsallowinvalidhostnames", False)]


def _read(url: str) -> dict[str, Any]:
    read = parse_uri(url)
    options = {key.lower(): value for key, value in read["options"].items() if (key.lower(), value) not in _DEFAULTS}
    options.pop("tlsinsecure", None)  # which the others follow from
    options.pop("tlsdisableocspendpointcheck", None)
    if options.get("tlsallowinvalidcertificates"):  # then nothing is verified
        options["tlsallowinvalidhostnames"] = True
        options.pop("tlscafile", None)
    if "tls" not in options:
        options = {key: value for key, value in options.items() if not key.startswith("tlsallow")}
    return {
        "hosts": [(host.lower(), port) for host, port in read["nodelist"]],
        "user": read["username"],
        "password": read["password"],
        "database": read["database"],
        "collection": read["collection"],
        **{f"option {key}": value for key, value in options.items()},
    }


def _given(url: str) -> dict[str, Any]:
    return by_peer(_read, credentials(url=url).for_driver("pymongo")["host"])


PEERS = [Peer("PyMongo", "https://www.mongodb.com/docs/manual/reference/connection-string/", _URLS, _read, _given)]
