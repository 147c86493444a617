"""Amazon Redshift (https://docs.aws.amazon.com/redshift/latest/mgmt/python-configuration-options.html)."""

from __future__ import annotations

from functools import partial
from typing import Any

from architect_core.contract import Credentials
from architect_core.plugins.known import port_of
from architect_datastore.arguments import engine_arguments, given, refusal, refuse_django_settings, truth
from architect_datastore.options import TLS, VERIFYING
from architect_datastore.postgres import PostgresRelative, django, psycopg, sqlalchemy

_NAMES = ("host", "port", "user", "password", "database")
_OWN_NAMES = {"connect_timeout": "timeout"}
_NUMBERS = frozenset(
    {
        "client_protocol_version",
        "idp_response_timeout",
        "listen_port",
        "max_prepared_statements",
        "tcp_keepalive_count",
        "tcp_keepalive_idle",
        "tcp_keepalive_interval",
    }
)
_REFUSED = ("ca", "certificate", "key", "channel_binding", "options", "target_session_attrs")  # only libpq has them


def redshift_connector(db: Credentials) -> dict[str, Any]:
    """`redshift_connector.connect`, which verifies every certificate, with the authorities that it has itself.

    An option that is none of TLS is one of its arguments, such as `iam` or `cluster_identifier`.
    """
    refuse_django_settings(db, "redshift_connector")
    for option in _REFUSED:
        if option in db.options:
            raise refusal("redshift_connector", option, "remove it, or use psycopg2")
    login = given(host=db.host, port=db.port, user=db.username, password=db.password, database=db.name)
    others = {_OWN_NAMES.get(name, name): _value(name, value) for name, value in db.options.items() if name not in TLS}
    return {**login, **_tls(db.options.get("sslmode")), **others}


def _tls(mode: str | None) -> dict[str, Any]:
    if mode == "disable":
        return {"ssl": False}
    if mode in {None, "allow", "prefer"}:  # its default is TLS
        return {}
    return {"ssl": True, "sslmode": mode if mode in VERIFYING else "verify-ca"}


def _value(name: str, value: Any) -> Any:
    """Returns what a text of a URL means to a driver that takes numbers and booleans, too."""
    return int(value) if name in _NUMBERS and str(value).isdecimal() else truth(value)


def sqlalchemy_redshift(db: Credentials) -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with sqlalchemy-redshift on redshift_connector."""
    return engine_arguments("redshift+redshift_connector", redshift_connector(db), _NAMES)


PARSER = PostgresRelative(
    "redshift",
    port_of("redshift"),
    drivers={
        "redshift-connector": redshift_connector,
        "psycopg": psycopg,
        "psycopg2": psycopg,
        "sqlalchemy": partial(sqlalchemy, driver="psycopg2", dialect="redshift"),
        "sqlalchemy+psycopg2": partial(sqlalchemy, driver="psycopg2", dialect="redshift"),
        "sqlalchemy+redshift-connector": sqlalchemy_redshift,
        "django": partial(django, backend="django_redshift_backend"),
    },
)
