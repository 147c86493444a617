"""The connection strings that Aspire writes: none is refused, and the variables beside them tell the engine."""

from __future__ import annotations

from typing import Any

import pytest

from architect_core.exceptions import ConfigError
from architect_core.plugins import Plugins
from architect_core.resolver import Resolver
from architect_sources.aspire import AspireSource

PLUGINS = Plugins()
AZURE_SQL = 'Server=tcp:x.database.windows.net,1433;Encrypt=True;Authentication="Active Directory Default";Database=d'
COSMOS = "AccountEndpoint=https://x.documents.azure.com:443/;AccountKey=k==;Database=d;Container=c"
SERVICE_BUS = "Endpoint=sb://n.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=k="
STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k==;EndpointSuffix=core.windows.net"


def datastore(environ: dict[str, str]) -> Any:
    return Resolver(source=AspireSource(environ), plugins=PLUGINS, root="/nowhere").datastore("x")


# https://aspire.dev/integrations: the connection properties of each hosting integration
@pytest.mark.parametrize(
    ("text", "engine", "expected"),
    [
        (
            "user id=system;password=p;data source=localhost:1521/freepdb1",
            "oracle",
            {"host": "localhost", "port": 1521, "username": "system", "password": "p", "name": "freepdb1"},
        ),
        ("Endpoint=http://localhost:6334;Key=k", "qdrant", {"host": "localhost", "port": 6334, "api_key": "k"}),
        ("Endpoint=http://localhost:19530;Key=root:Milvus", "generic", {"port": 19530, "Key": "root:Milvus"}),
        ("Endpoint=http://h:7700;MasterKey=k", "generic", {"url": "http://h:7700/", "MasterKey": "k"}),
        (COSMOS, "generic", {"url": "https://x.documents.azure.com:443/", "AccountKey": "k==", "Database": "d"}),
        (SERVICE_BUS, "generic", {"host": "n.servicebus.windows.net", "SharedAccessKey": "k="}),
        (STORAGE, "generic", {"AccountName": "a", "AccountKey": "k==", "EndpointSuffix": "core.windows.net"}),
        (AZURE_SQL, "sqlserver", {"host": "x.database.windows.net", "port": 1433, "name": "d"}),
        (
            "Host=x.postgres.database.azure.com;Ssl Mode=Require;Database=d",
            "postgres",
            {"host": "x.postgres.database.azure.com", "options": {"sslmode": "require"}},
        ),
        ("Server=x.mysql.database.azure.com;Database=d", "mysql", {"host": "x.mysql.database.azure.com"}),
        ("URL=http://localhost:8080;Database=d", "generic", {"url": "http://localhost:8080/", "name": "d"}),  # RavenDB
        ('Data Source=/a.db;Cache=Shared;Extensions=[{"Extension":"x"}]', "sqlite", {"name": "/a.db"}),
        ("x.redis.cache.windows.net:10000,ssl=true", "redis", {"port": 10000}),
    ],
)
def test_a_string_that_aspire_writes_is_read(text, engine, expected):
    db = datastore({"ConnectionStrings__x": text})
    assert db.engine == engine
    assert {key: db[key] for key in expected} == expected
    assert not any(secret in repr(db) for secret in ("k==", "k='", "root:Milvus", "'k'"))


def test_the_authentication_of_azure_sql_reaches_pyodbc():
    arguments = datastore({"ConnectionStrings__x": AZURE_SQL}).for_driver("pyodbc")
    assert arguments["authentication"] == "{ActiveDirectoryDefault}"


@pytest.mark.parametrize(
    ("text", "uri", "engine"),
    [
        ("localhost:6379", "redis://localhost:6379", "redis"),
        ("localhost:6379", "valkey://localhost:6379", "redis"),
        ("localhost:6379,password=p", "redis://:p@localhost:6379", "redis"),
        ("Server=localhost;User ID=u;Password=p", "mysql://u:p@localhost:3306", "mysql"),
        ("Host=localhost;Database=d", "postgresql://localhost/d", "postgres"),
        ("Server=localhost;User ID=u;Password=p", "mssql://u:p@localhost:1433", "sqlserver"),
        ("localhost:9092", "", "generic"),
        ("Endpoint=http://localhost:6334;Key=k", "http://localhost:6334", "qdrant"),
        ("Endpoint=http://localhost:7700;Key=k", "http://localhost:7700", "generic"),
        ("localhost:6379", "unknown+x://localhost:6379", "generic"),
    ],
)
def test_the_uri_beside_a_connection_string_tells_its_engine(text, uri, engine):
    db = datastore({"ConnectionStrings__x": text, "X_URI": uri, "X_HOST": "localhost", "X_PORT": "1"})
    assert (db.engine, db.host) == (engine, "localhost")


@pytest.mark.parametrize(
    "text",
    [
        "Host=h;Username=u;Password=a;canary=b",  # of a known engine: the password may have been cut in two
        "Endpoint=http://h;Type=canary",
        "Server=h;Port=3306;Uid=u;Pwd=a;canary=b",
        "h:1,password=a,canary=b",
        "Endpoint=http://h;canary",
    ],
)
def test_a_keyword_that_may_be_a_part_of_a_password_is_an_error(text):
    with pytest.raises(ConfigError) as caught:
        datastore({"ConnectionStrings__x": text})
    assert "canary" not in str(caught.value)
