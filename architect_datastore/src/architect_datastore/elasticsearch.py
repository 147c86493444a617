"""Elasticsearch and OpenSearch (https://www.elastic.co/docs/reference/elasticsearch/clients/python/connecting)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from architect_core.contract import Credentials, DatastoreTarget
from architect_core.plugins.known import port_of
from architect_datastore.arguments import translated
from architect_datastore.kit.url import build_url
from architect_datastore.tls import Flag, TlsOptions, TlsParser

_FILES = {"ca": "ca_certs", "certificate": "client_cert", "key": "client_key"}


class ElasticsearchOptions(TlsOptions):
    """Options of an Elasticsearch or OpenSearch datastore.

    Attributes:
        api_key: a key to log in with instead of a user and a password; only Elasticsearch has it.
    """

    api_key: str | None = None


def elasticsearch(db: Credentials) -> dict[str, Any]:
    """`elasticsearch.Elasticsearch` and `AsyncElasticsearch`, which encode a login as ASCII."""
    arguments = _arguments(db, "elasticsearch", {**_FILES, "api_key": "api_key"})
    if db.username is not None or db.password:
        login = (db.username or "", db.password or "")
        text = ":".join(login)
        arguments["basic_auth"] = login if text.isascii() else b64encode(text.encode()).decode()
    return arguments


def opensearch(db: Credentials) -> dict[str, Any]:
    """`opensearchpy.OpenSearch` and `AsyncOpenSearch`, which encode a login as latin-1."""
    arguments = _arguments(db, "opensearch-py", _FILES)
    if db.username is not None or db.password:
        login = (db.username or "", db.password or "")
        arguments["http_auth"] = tuple(text.encode().decode("latin-1") for text in login)
    return arguments


def _arguments(db: Credentials, driver: str, names: dict[str, str]) -> dict[str, Any]:
    arguments = translated(db, driver, names, "sslmode")
    mode = db.options.get("sslmode")
    scheme = "http" if mode is None else "https"
    hosts = [_with_path(build_url(scheme, {"host": host, "port": port}, {}), db.name) for host, port in db.hosts]
    if mode == "require":
        arguments["verify_certs"] = False
    elif mode == "verify-ca":
        arguments["ssl_assert_hostname"] = False
    return {"hosts": hosts, **arguments}


def _with_path(url: str, path: str | None) -> str:
    start, _, query = url.partition("?")
    return start.removesuffix("/") + (f"/{quote(path)}" if path else "") + (f"?{query}" if query else "")


class ElasticsearchParser(TlsParser):
    """Credentials for the official clients: `elasticsearch.Elasticsearch(**db.for_driver("elasticsearch"))`.

    The path of a URL is that of a server behind a proxy; an index is named in each call.
    """

    Options = ElasticsearchOptions
    sockets = False
    several_hosts = True
    has_database = False
    tls_schemes: ClassVar = {"http": "https"}
    tls_ports = frozenset({port_of("https"), 9243})  # which Elastic Cloud has
    certificate = Flag("verify_certs")
    hostname = Flag("ssl_assert_hostname")
    option_names: ClassVar = {name: option for option, name in _FILES.items()}

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns 443 for a URL with https, as the clients do."""
        return port_of(scheme) if scheme == "https" else self.default_port

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; raises ConfigError if the entry has a `name`."""
        if target.config.name is not None:
            raise target.error("name", "is not used: an index is named in each call, and a path belongs into `url`")
        return super().credentials(target)

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:  # noqa: ARG002 - to override
        """Removes the slash at the path's end, even if it was percent-encoded."""
        path = fields.pop("name", "").rstrip("/")
        if path:
            fields["name"] = path

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL that the clients accept."""
        rest = {key: value for key, value in fields.items() if key != "name"}
        return _with_path(super().url(scheme, rest, query), fields.get("name"))


PARSER = ElasticsearchParser(
    "elasticsearch",
    port_of("elasticsearch"),
    schemes={"http": "http", "https": "https", "elasticsearch": "http", "opensearch": "http"},
    drivers={
        "elasticsearch": elasticsearch,
        **dict.fromkeys(("opensearch-py", "opensearchpy", "opensearch"), opensearch),
    },
)
