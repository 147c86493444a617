"""The one table of what architect's own packages provide: names, aliases, default ports, and what to install.

It is for error messages and for reading URLs; entry points alone decide what is installed. Tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Known:
    """What one of architect's packages provides, by the name of its entry point.

    Attributes:
        aliases: further entry points, which are URL schemes too.
        schemes: further URL schemes, which are not entry points.
        port: the default TCP port.
        marker: the environment variable of a source's platform, such as `VCAP_SERVICES`.
        extra: the extra of the distribution to install with it.
    """

    name: str
    kind: Literal["protocol", "engine", "source", "observer", "command", "events", "channel"]
    distribution: str
    aliases: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    port: int | None = None
    marker: str | None = None
    extra: str | None = None


def _engine(name: str, *aliases: str, port: int | None = None) -> Known:
    return Known(name, "engine", "architect-datastore", aliases, port=port)


_COMMANDS = (
    *("attach", "env", "exec", "init", "install", "logs", "plugin", "plugins", "ps", "reset", "restart", "run", "stop"),
)

KNOWN = (
    Known("rest", "protocol", "architect-rest", schemes=("http", "https")),
    Known("grpc", "protocol", "architect-grpc", schemes=("grpcs",)),
    _engine("generic"),
    _engine("postgres", "postgresql", "postgis", "pgsql", "psql", port=5432),
    _engine("cockroachdb", "cockroach", port=26257),
    _engine("timescaledb", "timescale", "timescalegis", port=5432),
    _engine("redshift", port=5439),
    _engine("yugabytedb", "yugabyte", port=5433),
    _engine("mysql", "mariadb", "mysql2", "mysqlgis", port=3306),
    _engine("tidb", port=4000),
    _engine("redis", "rediss", "valkey", "valkeys", "unix", port=6379),
    _engine("sqlite", "spatialite"),
    _engine("duckdb", "motherduck"),
    _engine("mongodb", "mongodb+srv", "mongo", port=27017),
    _engine("sqlserver", "mssql", port=1433),
    _engine("oracle", "oraclegis", "oracle-free", "oracle-xe", port=1521),
    _engine("snowflake"),
    _engine("bigquery"),
    _engine("rabbitmq", "amqp", "amqps", "pyamqp", port=5672),
    _engine("s3", port=443),
    _engine("sqs", port=443),
    _engine("minio", port=9000),
    _engine("elasticsearch", "opensearch", port=9200),
    _engine("clickhouse", "clickhousedb", "clickhouses", "clickhouse-server", port=8123),
    _engine("cassandra", "scylladb", "scylla", port=9042),
    _engine("dynamodb", "dynamodb-local", port=443),
    _engine("kafka", "cp-kafka", "redpanda", port=9092),
    _engine("memcached", "memcache", port=11211),
    _engine("mqtt", "mqtts", "mosquitto", "eclipse-mosquitto", port=1883),
    _engine("nats", port=4222),
    _engine("neo4j", "bolt", port=7687),
    _engine("qdrant", port=6333),
    Known("bindings", "source", "architect-sources", marker="SERVICE_BINDING_ROOT"),
    Known("aspire", "source", "architect-sources"),
    Known("vcap", "source", "architect-sources", marker="VCAP_SERVICES"),
    Known("urls", "source", "architect-sources"),
    Known("dns", "source", "architect-sources", marker="ARCHITECT_DNS", extra="dns"),
    Known("otel", "observer", "architect-otel"),
    Known("events", "events", "architect-events"),
    Known("events.rest", "channel", "architect-rest"),
    Known("events.sqlite", "channel", "architect-events"),
    Known("events.amqp", "channel", "architect-rabbitmq", ("events.amqps", "events.rabbitmq")),
    Known("events.sqs", "channel", "architect-sqs"),
    *(Known(name, "command", "architect-command") for name in _COMMANDS),
    *(Known(name, "command", "architect-events") for name in ("consume", "relay")),
)
_PORTS = {"http": 80, "https": 443, "amqps": 5671, "clickhouses": 8443, "mqtts": 8883}  # of aliases and schemes

BY_NAME = {name: each for each in KNOWN for name in (each.name, *each.aliases, *each.schemes)}
"""The rows by name, alias or URL scheme."""

PRECEDENCE = ("environment", "bindings", "aspire", "vcap", "urls", "local", "dns")
"""The default sources, the first of which wins. Only "environment" can name the running service."""


def port_of(name: str) -> int | None:
    """Returns the default port of a protocol, engine or URL scheme, or None.

    >>> port_of("postgresql"), port_of("amqps"), port_of("https"), port_of("sqlite")
    (5432, 5671, 443, None)
    """
    return _PORTS.get(name, BY_NAME[name].port if name in BY_NAME else None)


def remedy(name: str) -> str:
    """Returns what to install so that a plugin serves `name`.

    >>> remedy("amqps")
    'pip install architect-datastore'
    """
    found = BY_NAME.get(name)
    if found is None:
        return f"install the package whose entry point in the group 'architect' is named {name!r}"
    return f"pip install '{found.distribution}[{found.extra}]'" if found.extra else f"pip install {found.distribution}"
