"""Oracle Database (https://python-oracledb.readthedocs.io/en/latest/user_guide/connection_handling.html)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from architect_core.contract import Credentials, DatastoreTarget
from architect_core.plugins.known import port_of
from architect_datastore.arguments import (
    client_context,
    django_entry,
    django_settings,
    engine_arguments,
    given,
    refuse_django_settings,
)
from architect_datastore.geographic import GeographicParser
from architect_datastore.kit.tls_keys import word
from architect_datastore.options import TLS, Path
from architect_datastore.tls import Flag, TlsOptions, TlsParser

_SERVICE = re.compile(r"[\w.$#-]+")
_URL = re.compile(
    r"(oracle(?:gis)?(?:\+(\w+))?://(?:[^/?#]*@)?)([^/?#]*)(?:/([^?#]*))?(\?.*)?", re.IGNORECASE | re.DOTALL
)
_DIALECTS = frozenset({"oracledb", "oracledb_async", "cx_oracle"})  # of SQLAlchemy
_EASY_CONNECT = re.compile(r"(?:(\w+)://)?[^()=]+[:/][^()=]+(?:\?.*)?", re.DOTALL)
_TCPS = re.compile(r"PROTOCOL\s*=\s*TCPS\b", re.IGNORECASE)
_TCP = re.compile(r"PROTOCOL\s*=\s*(?!TCPS\b)", re.IGNORECASE)
_ALIAS = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_OPTION = re.compile(r"[?&](?:service_name|sid|dsn)=", re.IGNORECASE)


class OracleOptions(TlsOptions):
    """Options of an Oracle datastore. A URL's query may have any other argument of `oracledb.connect`.

    Attributes:
        sid: the system identifier of an instance, in place of a service's name.
        dsn: a connect string in place of a host: Easy Connect, a descriptor, or a name in `tnsnames.ora`.
        config_dir: the folder of `tnsnames.ora`.
        wallet_location: the folder of a wallet with the certificates, `ewallet.pem`; it means "verify-full", unless
            there is a `dsn`, which has its own protocol.
        wallet_password: the password of the wallet.
        connect_timeout: seconds that connecting to one host may take.
    """

    sid: str | None = Field(default=None, pattern=rf"^{_SERVICE.pattern}$")
    dsn: str | None = Field(default=None, min_length=1)
    config_dir: Path | None = None
    wallet_location: Path | None = None
    wallet_password: str | None = None
    connect_timeout: float | None = Field(default=None, gt=0)


def oracledb(db: Credentials) -> dict[str, Any]:
    """`oracledb.connect`, `oracledb.connect_async` and `oracledb.create_pool`, in their "thin" mode."""
    refuse_django_settings(db, "oracledb")
    options = db.options
    if "dsn" in options or len(db.hosts) > 1:
        place = {"dsn": _connect_string(db)}
    else:
        place = given(host=db.host, port=db.port, **_service(db), protocol="tcps" if _is_secure(db) else None)
    names = {"connect_timeout": "tcp_connect_timeout"}
    rest = {names.get(key, key): value for key, value in options.items() if key not in {*TLS, "sid", "dsn"}}
    return {**place, **given(user=db.username, password=db.password), **_tls(db), **rest}


def sqlalchemy(db: Credentials) -> dict[str, Any]:
    """`sqlalchemy.create_engine` and `create_async_engine`, with python-oracledb."""
    return engine_arguments("oracle+oracledb", oracledb(db), ("", "", "user", "password"))


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `DATABASES`, whose name is a connect string: with a host it would be a SID."""
    db, settings = django_settings(db)
    arguments = oracledb(db)
    rest = {key: value for key, value in arguments.items() if key not in {"host", "port", "protocol", *_service(db)}}
    names = ("", "", "user", "password", "dsn")
    entry = django_entry("django.db.backends.oracle", {**rest, "dsn": _connect_string(db)}, names)
    return {**entry, **settings}


def _service(db: Credentials) -> dict[str, str]:
    return given(sid=db.options["sid"]) if "sid" in db.options else given(service_name=db.name)


def _is_secure(db: Credentials) -> bool:
    return db.options.get("sslmode") not in {None, "disable"}


def _tls(db: Credentials) -> dict[str, Any]:
    """The driver verifies a certificate unless it has a context that does not, and the host with an argument."""
    if not _is_secure(db):
        return {}
    mode = db.options["sslmode"]
    arguments: dict[str, Any] = {"ssl_server_dn_match": mode == "verify-full"}
    if mode == "require" or {"ca", "certificate"} & set(db.options):
        arguments["ssl_context"] = client_context(db, "oracledb")
    return arguments


def _connect_string(db: Credentials) -> str:
    if "dsn" in db.options:
        return str(db.options["dsn"])
    protocol = "tcps" if _is_secure(db) else "tcp"
    addresses = "".join(f"(ADDRESS=(PROTOCOL={protocol})(HOST={host})(PORT={port}))" for host, port in db.hosts)
    data = "".join(f"({key.upper()}={value})" for key, value in _service(db).items())
    return f"(DESCRIPTION={addresses}(CONNECT_DATA={data}))"


class OracleParser(GeographicParser, TlsParser):
    """Credentials for python-oracledb, SQLAlchemy and Django: `oracledb.connect(**db.for_driver("oracledb"))`.

    The name is a service's. The path of `oracle://host:port/name` is a service's name as well, as for Aspire and Cloud
    Foundry, and that of `oracle+oracledb://` a SID, as for SQLAlchemy. A host alone, or a path without a host, is a
    connect string, such as a name in `tnsnames.ora`.
    """

    Options = OracleOptions
    sockets = False
    several_hosts = True
    needs_host = False
    geographic: ClassVar = {"oraclegis": "django.contrib.gis.db.backends.oracle"}
    other_drivers = ("cx_oracle", "oracledb_async")
    encrypted = Flag("protocol", on=("tcps",), off=("tcp",))
    tls_ports = frozenset({2484})  # "ttc-ssl" of IANA
    hostname = Flag("ssl_server_dn_match")
    option_names: ClassVar = {"tcp_connect_timeout": "connect_timeout", "transport_connect_timeout": "connect_timeout"}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; `service_name` and `sid` may be keys of the entry, too."""
        name = target.config.name or next(
            (value for key, value in target.config.items() if word(key) == "servicename" and value is not None), None
        )
        url = target.config.url and _with_options(target.config.url, has_name=name is not None)
        config = target.config.model_copy(update={"name": name, "url": url})
        db = super().credentials(replace(target, config=config))
        if db.host is None and "dsn" not in db.options:
            raise target.error("host", "is missing, and there is neither a `url` that names one nor an option `dsn`")
        if db.name is not None and "sid" in db.options:
            raise target.error("name", "is set together with the option `sid`; give one of them")
        return db

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the keys `sid` and `dsn`, too."""
        own = {word(key): value for key, value in keys.items() if word(key) in {"sid", "dsn"}}
        return {**own, **super().read_keys(keys, options)}

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the name is no service's, or a host would be more than one in a descriptor."""
        if any(re.search(r"[()=]", host) for host, _ in fields.get("hosts", [(fields.get("host", ""), None)])):
            raise target.error("host", "must be a host's name or address, without '(', ')' and '='")
        if not _SERVICE.fullmatch(fields.get("name", "name")):
            raise target.error("name", "must be a service's name: letters, digits, '.', '_', '-', '$' and '#'")

    def port(self, scheme: str, options: Mapping[str, Any]) -> int | None:  # noqa: ARG002 - to override
        """Returns None for a connect string, which has the port."""
        return None if "dsn" in options else self.default_port

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """A wallet means "verify-full", if nothing else tells."""
        if "wallet_location" in options and not {"dsn", "sslmode"} & set(options):
            options = {**options, "sslmode": "verify-full"}
        options = super().combine_options(options, target)
        if "dsn" in options and options.get("sslmode", "disable") != "disable":
            options = {**options, "dsn": _secure(options["dsn"], target)}
        return options

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL in which SQLAlchemy, too, reads a service's name."""
        rest = {key: value for key, value in fields.items() if key != "name"}
        return super().url(scheme, rest, {**given(service_name=fields.get("name")), **query})


def _secure(dsn: str, target: DatastoreTarget) -> str:
    """Returns a connect string with TLS; raises `target.error` if it has none, or if only `tnsnames.ora` tells."""
    easy = _EASY_CONNECT.fullmatch(dsn)
    if easy is not None and easy[1] is None:
        return "tcps://" + dsn.removeprefix("//")
    if easy is not None and easy[1].lower() == "tcps":
        return dsn
    if easy is None and _TCPS.search(dsn) and not _TCP.search(dsn):
        return dsn
    raise target.error(
        "options.dsn", "must name the protocol TCPS itself, as options of TLS are set: tcps://host/service"
    )


def _with_options(url: str, *, has_name: bool) -> str:
    """Returns a URL with the options `dsn` or `sid`, which SQLAlchemy and Django have as its host or path."""
    match = _URL.fullmatch(url)
    if match is None or _OPTION.search(match[5] or ""):
        return url
    start, dialect, host, path, query = match[1], match[2] or "", match[3], match[4] or "", match[5] or "?"
    if not host and path:
        return f"{start}{query}&dsn={path}"
    if not path and not has_name and _ALIAS.fullmatch(host):
        return f"{start}{query}&dsn={host}"
    if path and dialect.lower() in _DIALECTS:
        return f"{start}{host}{query}&sid={path}"
    return url


PARSER = OracleParser(
    "oracle",
    port_of("oracle"),
    schemes={"oracle": "oracle", "oraclegis": "oracle"},
    aliases={"service_name": "name"},
    drivers={"oracledb": oracledb, "sqlalchemy": sqlalchemy, "sqlalchemy+oracledb": sqlalchemy, "django": django},
)
