"""The keywords of .NET's connection strings; spaces, "_", "-" and case in them are ignored.

Npgsql (https://www.npgsql.org/doc/connection-string-parameters.html), MySqlConnector
(https://mysqlconnector.net/connection-options/), Microsoft.Data.SqlClient
(https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring), Microsoft.Data.Sqlite,
and the strings that Aspire makes for MinIO and ClickHouse.
"""

from __future__ import annotations

import re

from architect_datastore.kit.tls_keys import MODES


def _table(**keywords: str) -> dict[str, str]:
    return {keyword: meaning for meaning, words in keywords.items() for keyword in words.split()}


FIELDS = _table(
    url="endpoint accountendpoint url",
    host="host server datasource address addr networkaddress hostname filename",
    port="port",
    username="username userid user uid accesskey accesskeyid",
    password="password pwd secretkey secretaccesskey",  # noqa: S106 - keywords, no password
    name="database initialcatalog bucket bucketname",
)

OPTIONS = _table(
    ca="rootcertificate sslca cacertificatefile",
    certificate="sslcertificate sslcert",
    key="sslkey",
    connect_timeout="timeout connecttimeout connectiontimeout",
    application_name="applicationname app",
    charset="characterset charset",
    region="region",
    target_session_attrs="targetsessionattributes",
)

REDIS = _table(username="user", password="password", name="defaultdatabase")  # noqa: S106 - likewise

IGNORED = frozenset(
    _table(
        waiting="""
        pooling minpoolsize maxpoolsize minimumpoolsize maximumpoolsize connectionlifetime connectionidlelifetime
        connectionidletimeout connectionpruninginterval connectionreset poolblockingperiod loadbalancetimeout enlist
        commandtimeout defaultcommandtimeout internalcommandtimeout cancellationtimeout keepalive tcpkeepalive
        connectretrycount connectretryinterval noresetonclose multiplexing maxautoprepare autoprepareminusages cache
        """,
        reading="""
        includeerrordetail persistsecurityinfo multipleactiveresultsets allowuservariables convertzerodatetime
        allowzerodatetime treattinyasboolean useaffectedrows workstationid wsid packetsize protocol
        allowpublickeyretrieval extensions
        """,
        redis="""
        abortconnect connectretry connecttimeout synctimeout asynctimeout allowadmin resolvedns configchannel
        tiebreaker configcheckseconds setlib version name sslprotocols
        """,
    )
)

_SWITCHES = {
    **dict.fromkeys(("true", "yes", "mandatory", "strict"), "true"),
    **dict.fromkeys(("false", "no", "optional"), "false"),
}

_DISTINCTIVE = (
    ("clickhouse", {"host", "protocol"}),
    ("postgres", {"host", "username"}),
    ("postgres", {"sslmode", "trustservercertificate"}),
    ("s3", {"endpoint", "accesskey"}),
    ("sqlserver", {"trustservercertificate"}),
    ("sqlserver", {"initialcatalog"}),
    ("sqlserver", {"encrypt"}),
    ("mysql", {"server", "allowuservariables"}),
    ("mysql", {"server", "allowpublickeyretrieval"}),
    ("mysql", {"server", "sslca"}),
)

_QDRANT_PORTS = frozenset({"6333", "6334"})  # Milvus and services of Azure have these keywords, too


def engine_of(keywords: set[str], port: str | None = None) -> str | None:
    """Returns the engine whose connection strings have these keywords, or None if several engines' have.

    `Server`, `Port` and `User Id` are keywords of MySqlConnector and Npgsql; only the port of MySQL tells them apart.
    """
    found = next((engine for engine, distinctive in _DISTINCTIVE if distinctive <= keywords), None)
    if found == "sqlserver" and "port" in keywords:  # which SqlClient has after the server's name
        found = "postgres" if "trustservercertificate" in keywords else None
    of_servers = {"userid", "user", "uid", "username", "database"}
    if found is None and "server" in keywords and port == "3306":
        return "mysql"
    if found is None and {"endpoint", "key"} <= keywords and port in _QDRANT_PORTS:
        return "qdrant"
    if found is None and keywords & {"datasource", "filename"} and not keywords & of_servers:
        return "sqlite"
    return found


def search_path(value: str) -> str:
    """Returns PostgreSQL's `options` for Npgsql's Search Path; raises ValueError if it has names that need quotes."""
    return f"-csearch_path={plain_search_path(value)}"


def plain_search_path(value: str) -> str:
    """Returns a search path without spaces; raises ValueError if it has names that need quotes."""
    if not re.fullmatch(r"[\w$.-]+(\s*,\s*[\w$.-]+)*", value):
        raise ValueError("has a search path with other than plain names; remove it, or set it for the role")
    return re.sub(r"\s", "", value)


def security(keyword: str, value: str, found: dict[str, str]) -> bool:
    """Adds what a keyword says about TLS to `found`; returns whether it is such a keyword.

    Raises:
        ValueError: its value is unknown.
    """
    word = value.strip().lower().replace("-", "").replace(" ", "")
    if keyword == "sslmode":
        if word not in MODES:
            raise ValueError(f"has an unknown SSL mode; known: {', '.join(MODES)}")
        found[keyword] = MODES[word]
    elif keyword in {"ssl", "usessl", "encrypt", "trustservercertificate"}:
        if word not in _SWITCHES:
            raise ValueError(f"has a switch that is neither on nor off; known: {', '.join(_SWITCHES)}")
        found["encrypt" if "ssl" in keyword else keyword] = _SWITCHES[word]
    elif keyword == "protocol" and word in {"http", "https"}:
        found["encrypt"] = "true" if word == "https" else "false"
    else:
        return False
    return True


def switch(found: dict[str, str]) -> dict[str, str]:
    """Returns the `sslmode` of what `security` found, or nothing."""
    if "sslmode" in found:
        return {"sslmode": found["sslmode"]}
    if not found:
        return {}
    if found.get("encrypt", "true") == "false":
        return {"sslmode": "disable"}
    return {"sslmode": "require" if found.get("trustservercertificate") == "true" else "verify-full"}
