"""Snowflake (https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-api)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field

from architect_core.contract import Credentials, DatastoreTarget, Options
from architect_datastore.arguments import django_settings, engine_arguments, given, refuse_django_settings, truth
from architect_datastore.kit.keys import text_at
from architect_datastore.kit.tls_keys import word
from architect_datastore.kit.url import build_url
from architect_datastore.options import Path
from architect_datastore.tls import Flag, TlsParser

_DOMAIN = re.compile(r"\.snowflakecomputing\.(?:com|cn)\Z", re.IGNORECASE)
_KEY = re.compile(r"\s*-----BEGIN PRIVATE KEY-----([\w+/=\s]+)-----END PRIVATE KEY-----\s*", re.ASCII)
_URL = re.compile(r"(snowflake(?:\+\w+)?://[^/?#]*/[^/?#]+)/([^/?#]+)/?(\?.*)?", re.IGNORECASE | re.DOTALL)
# keys of an entry -> options
_KEYS = {
    **{name: name for name in ("account", "authenticator", "role", "schema", "token", "warehouse")},
    "privatekey": "private_key",
    "privatekeyfile": "private_key_file",
    "privatekeypath": "private_key_file",
    "privatekeyfilepwd": "private_key_file_pwd",
    "privatekeypassphrase": "private_key_file_pwd",
}


class SnowflakeOptions(Options):
    """Options of a Snowflake datastore; any other is an argument of `snowflake.connector.connect`, such as `schema`.

    Attributes:
        sslmode: the TLS mode; "disable" is for an emulator.
        account: the account's identifier, for a host that does not have it.
        warehouse: the warehouse to use.
        role: the role of the session.
        authenticator: how the user is authenticated; "SNOWFLAKE_JWT" if there is a private key.
        private_key: the private key of the user, PEM or base64.
        private_key_file: the path of the private key, PEM.
        private_key_file_pwd: the password of the private key.
        token: a token in place of a password.
        connect_timeout: seconds that logging in may take.
    """

    model_config = ConfigDict(extra="allow")

    sslmode: Literal["disable", "verify-full"] | None = None
    account: str | None = None
    warehouse: str | None = None
    role: str | None = None
    authenticator: str | None = None
    private_key: str | None = None
    private_key_file: Path | None = None
    private_key_file_pwd: str | None = None
    token: str | None = None
    connect_timeout: int | None = Field(default=None, gt=0)


def connector(db: Credentials) -> dict[str, Any]:
    """`snowflake.connector.connect`."""
    refuse_django_settings(db, "snowflake-connector-python")
    options = db.options
    mode = options.pop("sslmode", None)
    if match := _KEY.fullmatch(options.get("private_key", "")):
        options["private_key"] = "".join(match[1].split())  # which all versions of the connector read
    if {"private_key", "private_key_file"} & set(options):
        options.setdefault("authenticator", "SNOWFLAKE_JWT")
    if "connect_timeout" in options:
        options["login_timeout"] = options.pop("connect_timeout")
    host = db.host or ""
    is_account = db.port is None and mode != "disable" and not _DOMAIN.search(host) and "account" not in options
    place = {"account": host} if is_account else {"account": _DOMAIN.sub("", host), **given(host=host, port=db.port)}
    protocol = {None: None, "disable": "http", "verify-full": "https"}[mode]
    login = given(user=db.username, password=db.password, database=db.name, protocol=protocol)
    return {**place, **login, **{key: truth(value) for key, value in options.items()}}


def sqlalchemy(db: Credentials) -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with snowflake-sqlalchemy."""
    return engine_arguments("snowflake", connector(db), ("", "", "user", "password"))


def django(db: Credentials) -> dict[str, Any]:
    """An entry of Django's `DATABASES`, for django-snowflake."""
    db, settings = django_settings(db)
    arguments = connector(db)
    names = {"USER": "user", "PASSWORD": "password", "NAME": "database"}
    names |= {name: name.lower() for name in ("ACCOUNT", "SCHEMA", "WAREHOUSE")}
    fields = {field: arguments.pop(name, "") for field, name in names.items()}
    return {"ENGINE": "django_snowflake", **fields, "OPTIONS": arguments, **settings}


class SnowflakeParser(TlsParser):
    """Credentials for Snowflake: `snowflake.connector.connect(**db.for_driver("snowflake"))`, SQLAlchemy and Django.

    The host is the account's identifier, such as "organization-account", or the name of a server; the name is the
    database. A URL is that of SQLAlchemy: `snowflake://user:password@account/database/schema?warehouse=w&role=r`.
    """

    Options = SnowflakeOptions
    sockets = False
    other_drivers = ("snowflake",)
    encrypted = Flag("protocol", on=("https",), off=("http",))
    option_names: ClassVar = {"login_timeout": "connect_timeout", "private_key_passphrase": "private_key_file_pwd"}

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; an account and a database may be the keys `account` and `database`."""
        config = target.config
        fields: dict[str, Any] = {}
        if match := _URL.fullmatch(config.url or ""):
            fields["url"] = f"{match[1]}{match[3] or '?'}&schema={match[2]}"
        if config.url is None:
            fields |= given(
                host=config.host or text_at(target, "account"), name=config.name or text_at(target, "database")
            )
        return super().credentials(replace(target, config=config.model_copy(update=fields)))

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the keys of the connector's arguments, too."""
        found = {_KEYS[word(key)]: value for key, value in keys.items() if word(key) in _KEYS}
        if str(found.get("account")) == keys.get("host"):
            found.pop("account", None)
        return {**found, **super().read_keys(keys, options)}

    def url(self, scheme: str, fields: dict[str, Any], query: dict[str, Any]) -> str:
        """Returns a URL with the schema in its path."""
        rest = dict(query)
        if "schema" not in rest or "name" not in fields:
            return super().url(scheme, fields, rest)
        path = f"{quote(fields['name'], safe='')}/{quote(rest.pop('schema'), safe='')}"
        return build_url(scheme, fields, rest, path=path)


PARSER = SnowflakeParser(
    "snowflake",
    None,
    schemes={"snowflake": "snowflake"},
    drivers={
        **dict.fromkeys(("snowflake-connector-python", "snowflake-connector", "snowflake"), connector),
        "sqlalchemy": sqlalchemy,
        "sqlalchemy+snowflake": sqlalchemy,
        "django": django,
    },
)
