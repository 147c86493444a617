"""The one table of what architect's own packages provide: names, aliases, default ports, and what to install.

It is data for messages and for reading URLs; whether something is installed is decided by the entry points alone. Tests
compare it with the entry points of every package.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["protocol", "engine", "source", "observer", "command"]


@dataclass(frozen=True)
class Known:
    """A protocol, engine, source, observer or command of architect's own packages.

    Attributes:
        name: its entry point's name.
        kind: what it is.
        distribution: what to install.
        aliases: further entry points and URL schemes that mean the same.
        port: the TCP port that is used unless one is configured.
        marker: the environment variable that a source reads nothing without, such as `VCAP_SERVICES`.
        extra: the extra of the distribution to install with it.
    """

    name: str
    kind: Kind
    distribution: str
    aliases: tuple[str, ...] = ()
    port: int | None = None
    marker: str | None = None
    extra: str | None = None


def _engine(name: str, *aliases: str, port: int | None = None) -> Known:
    return Known(name, "engine", "architect-datastore", aliases, port)


def _source(name: str, marker: str | None = None, extra: str | None = None) -> Known:
    return Known(name, "source", "architect-sources", marker=marker, extra=extra)


def _command(name: str) -> Known:
    return Known(name, "command", "architect-command")


KNOWN = (
    Known("rest", "protocol", "architect-rest", ("http", "https")),
    Known("grpc", "protocol", "architect-grpc", ("grpcs",)),
    _engine("generic"),
    _engine("postgres", "postgresql", "postgis", port=5432),
    _engine("mysql", "mariadb", port=3306),
    _engine("redis", "rediss", "valkey", "valkeys", "unix", port=6379),
    _engine("sqlite"),
    _engine("mongodb", "mongodb+srv", "mongo", port=27017),
    _engine("sqlserver", "mssql", port=1433),
    _engine("rabbitmq", "amqp", "amqps", port=5672),
    _engine("s3", port=443),
    _engine("minio", port=9000),
    _engine("elasticsearch", "opensearch", port=9200),
    _engine("clickhouse", "clickhouses", "clickhouse-server", port=8123),
    _source("bindings", marker="SERVICE_BINDING_ROOT"),
    _source("aspire"),
    _source("vcap", marker="VCAP_SERVICES"),
    _source("urls"),
    _source("dns", marker="ARCHITECT_DNS", extra="dns"),
    Known("otel", "observer", "architect-otel"),
    *(_command(name) for name in ("env", "install", "plugin", "plugins", "run")),
)


PRECEDENCE = ("environment", "bindings", "aspire", "vcap", "urls", "local", "dns")
"""The sources that are read by default, the first of which wins. Only "environment" can name the running service."""


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Known]:
    return {name: each for each in KNOWN for name in (each.name, *each.aliases)}


def known(name: str) -> Known | None:
    """What architect's own packages call `name`, which may be an alias; None if they have nothing of that name.

    >>> known("rediss").name, known("rediss").port, known("pigeon")
    ('redis', 6379, None)
    """
    return _by_name().get(name)


def remedy(name: str) -> str:
    """What to install so that a plugin serves `name`.

    >>> remedy("amqps")
    'pip install architect-datastore'
    """
    found = known(name)
    if found is not None and found.extra is not None:
        return f"pip install '{found.distribution}[{found.extra}]'"
    if found is not None:
        return f"pip install {found.distribution}"
    return f"install the package whose entry point in the group 'architect' is named {name!r}"
