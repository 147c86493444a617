"""ClickHouse, over HTTP (https://clickhouse.com/docs/integrations/language-clients/python/driver-api)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials
from architect_core.plugins.known import port_of
from architect_datastore.arguments import given, mode_of, translated
from architect_datastore.options import TLS
from architect_datastore.tls import Flag, TlsOptions, TlsParser

_SECURE = frozenset({"https", "clickhouses"})


class ClickhouseOptions(TlsOptions):
    """Options of a ClickHouse datastore.

    Attributes:
        connect_timeout: seconds that connecting may take.
        send_receive_timeout: seconds that a response may take.
        query_limit: the number of rows that a query returns at most; 0 for all.
        query_retries: how often a query is repeated.
        compress: the compression, such as "lz4", or "true" or "false".
        client_name: the name of this client in the server's logs.
        session_id: the session of the server.
        server_host_name: the name in the server's certificate, if it is another than the host.
        http_proxy: the URL of a proxy; `https_proxy` is that for TLS.
    """

    connect_timeout: int | None = Field(default=None, gt=0)
    send_receive_timeout: int | None = Field(default=None, gt=0)
    query_limit: int | None = Field(default=None, ge=0)
    query_retries: int | None = Field(default=None, ge=0)
    compress: str | None = None
    client_name: str | None = None
    session_id: str | None = None
    server_host_name: str | None = None
    http_proxy: str | None = None
    https_proxy: str | None = None


def clickhouse_connect(db: Credentials) -> dict[str, Any]:
    """`clickhouse_connect.get_client`, which verifies a certificate and its host together."""
    files = {"ca": "ca_cert", "certificate": "client_cert", "key": "client_cert_key"}
    names = {**{name: name for name in ClickhouseOptions.model_fields if name not in TLS}, **files}
    mode = mode_of(db, "clickhouse-connect", "disable", "require", "verify-full")
    login = given(host=db.host, port=db.port, username=db.username, password=db.password, database=db.name)
    arguments = {**login, **translated(db, "clickhouse-connect", names, "sslmode")}
    if "client_cert" in arguments and db.password is not None:
        arguments["tls_mode"] = "strict"  # otherwise the certificate would log in, without the password
    if mode in {None, "disable"}:
        return {**arguments, "interface": "http"}
    return {**arguments, "interface": "https", "verify": mode != "require"}


class ClickhouseParser(TlsParser):
    """Credentials for ClickHouse's client: `clickhouse_connect.get_client(**db.for_driver("clickhouse-connect"))`.

    The port is that of HTTP: 8123, with TLS 8443. As for the client, the ports 8443 and 443 mean TLS by default.
    """

    Options = ClickhouseOptions
    default_host = "localhost"
    sockets = False
    encrypted = Flag("secure")
    tls_ports = frozenset({port_of("https"), port_of("clickhouses")})
    certificate = Flag("verify")
    option_names: ClassVar = {"ca_cert": "ca", "client_cert": "certificate", "client_cert_key": "key"}

    other_drivers = ("connect",)
    other_protocols: ClassVar = dict.fromkeys(
        ("native", "asynch"), "ClickHouse is reached over HTTP; give the URL of that, clickhouse://host:8123"
    )

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns another port for TLS."""
        return self.default_port if options.get("sslmode") in {None, "disable"} else port_of("clickhouses")

    def is_secure(self, scheme: str) -> bool:
        """Returns whether a scheme is one of those with TLS, which are read, but not written."""
        return scheme in _SECURE

    def read_options(self, scheme: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Reads from "http" that there is no TLS."""
        return super().read_options(scheme, {"secure": "false", **query} if scheme == "http" else query)


PARSER = ClickhouseParser(
    "clickhouse",
    port_of("clickhouse"),
    schemes=dict.fromkeys(("clickhouse", "clickhousedb", "http", *sorted(_SECURE)), "clickhouse"),
    drivers={"clickhouse-connect": clickhouse_connect},
)
