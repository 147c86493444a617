"""An error names the key that the user wrote: a URL's option, a connection string's keyword, an entry's own key."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ConfigError

CASES: list[tuple[dict[str, Any], str]] = [
    # `hosts`, and not the `host` that is derived from it
    ({"type": "redis", "hosts": ["canary", "b"]}, "hosts: names several hosts, and the drivers of redis take one"),
    ({"type": "mssql", "hosts": ["/canary", "b"]}, "hosts: names several hosts"),
    ({"type": "postgres", "hosts": ["ß", "b"]}, "hosts: the host is not ASCII"),
    ({"type": "postgres", "hosts": ["canary:x", "b"]}, "hosts: a port is a number"),
    ({"url": "redis://:canary@a/0,redis://:canary@b/0"}, "url: names several hosts"),
    # an option by its name in the URL, and a part of the URL by `url`
    ({"url": "redis://h/canary"}, "url: the database must be a number"),
    ({"url": "redis://h?db=canary"}, "url.db: the database must be a number"),
    ({"url": "redis://h?socket_connect_timeout=canary"}, "url.socket_connect_timeout: input should be a valid number"),
    ({"url": "mysql://h/d?ssl-mode=canary"}, "url.ssl-mode: input should be 'disable'"),
    ({"url": "mysql://h/d?ssl_ca="}, "url.ssl_ca: must be the path of a file"),
    ({"url": "mysql://h/d?ssl-mode=DISABLED&ssl-ca=/canary"}, "url.ssl-ca: has no meaning if TLS is off"),
    ({"url": "amqps://h?keyfile=/canary"}, "url.keyfile: is set without a certificate"),
    ({"url": "mongodb://h/?directConnection=canary"}, "url.directConnection: input should be a valid boolean"),
    ({"url": "postgresql://h?ssl=canary"}, "url.ssl: input should be 'disable'"),
    ({"url": "postgresql://h?host=canary+b"}, "url.host: the host is no host name"),
    ({"url": "postgresql://h?sslrootcert=system&sslmode=require"}, "url.sslmode: must be verify-full"),
    ({"url": "mysql://ß/d"}, "url: the host is not ASCII"),
    ({"url": "clickhouse://%2Fcanary"}, "url: the host must be a name or an address"),
    ({"url": "mssql:///canary"}, "url: names no host"),
    ({"url": "mongodb+srv://canary:1"}, "url: mongodb+srv takes one host"),
    ({"url": "s3://k:canary@/b/c"}, "url: the bucket must be a name alone"),
    # a keyword of the connection string, as it is written there
    ({"connection_string": "Server=canary b;Port=3306;Uid=u"}, "connection_string.Server: the host is no host name"),
    ({"connection_string": "Server=/canary", "type": "mssql"}, "connection_string.Server: the host must be a name"),
    ({"connection_string": "Server=canary,b", "type": "mysql"}, "connection_string.Server: names several hosts"),
    ({"connection_string": "HOST=h;Username=u;port=canary"}, "connection_string.port: a port is a number"),
    ({"connection_string": "Host=h;Username=u;Ssl Mode=canary"}, "connection_string.Ssl Mode: has an unknown SSL mode"),
    ({"connection_string": "Host=h;Username=u;Timeout=canary"}, "connection_string.Timeout: input should be a valid"),
    ({"connection_string": "Host=h;SSL Key=/canary", "type": "mysql"}, "connection_string.SSL Key: is set without"),
    ({"connection_string": "Server=h;Encrypt=canary;Database=d"}, "connection_string.Encrypt: has a switch"),
    ({"connection_string": "Host=h;Database=canary", "type": "redis"}, "connection_string.Database: the database must"),
    ({"connection_string": "h,defaultDatabase=canary", "type": "redis"}, "connection_string.defaultDatabase: the data"),
    ({"connection_string": "h,ssl=canary", "type": "redis"}, "connection_string.ssl: has a switch"),
    ({"connection_string": "a,b,password=canary"}, "connection_string: names several hosts"),
    ({"connection_string": "Endpoint=ftp://canary;AccessKey=k"}, "connection_string.Endpoint: has a scheme that"),
    ({"connection_string": "redis://:canary@h/x"}, "connection_string: the database must be a number"),
    ({"connection_string": "Data Source=", "type": "sqlite"}, "name: is missing"),
    # a key of the entry
    ({"type": "redis", "host": "h", "tls-port": "canary"}, "tls-port: a port is a number"),
    ({"type": "redis", "host": "h", "use_tls": "canary"}, "use_tls: input should be 'disable'"),
    ({"type": "mysql", "host": "h", "ssl-mode": "canary"}, "ssl-mode: input should be 'disable'"),
    ({"type": "postgres", "host": "h", "sslrootcert": ["canary"]}, "sslrootcert: must be text"),
    ({"type": "s3", "bucket": "canary/b"}, "bucket: the bucket must be a name alone"),
    ({"type": "s3", "s3_bucket_name": "canary/b"}, "s3_bucket_name: the bucket must be a name alone"),
    ({"type": "sqs", "aws_region": "CANARY_canary"}, "aws_region: the host must be a region"),
    ({"type": "sqs", "region": "eu", "endpoint": "ftp://canary"}, "endpoint: must be the URL of a server"),
    # what is stated in two ways is the one that wins
    ({"url": "redis://h/1", "name": "canary"}, "name: the database must be a number"),
    ({"url": "redis://h?db=1", "name": "canary"}, "name: the database must be a number"),
    ({"url": "mysql://h?ssl-ca=/canary", "options": {"sslmode": "require", "ca": "/x"}}, "options.ca: has no meaning"),
    (
        {"type": "mysql", "connection_string": "Host=h;SslCa=/canary", "options": {"sslmode": "require"}},
        "connection_string.SslCa: has no meaning unless certificates are verified",
    ),
]


@pytest.mark.parametrize(("entry", "expected"), CASES)
def test_an_error_names_the_key_that_was_written(entry, expected):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert f".primary_db.{expected}" in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
