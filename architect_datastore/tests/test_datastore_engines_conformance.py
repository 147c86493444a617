"""The engines that no server is started for are what plugins of their kind must be, too."""

from __future__ import annotations

from typing import Any

import pytest

from architect_testing import CredentialParserSuite


class Suite(CredentialParserSuite, abstract=True):
    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db"}


class TestMongoDB(Suite):
    engine = "mongodb"
    default_port = 27017
    url_scheme = "mongodb"


class TestSQLServer(Suite):
    engine = "sqlserver"
    default_port = 1433
    url_scheme = "mssql"


class TestRabbitMQ(Suite):
    engine = "rabbitmq"
    default_port = 5672
    url_scheme = "amqp"


class TestS3(Suite):
    engine = "s3"
    default_port = 443
    url_scheme = "s3"

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db", "name": "a?b"}


class TestMinIO(TestS3):
    engine = "minio"
    default_port = 9000
    url_scheme = "minio"


class TestSQS(Suite):
    engine = "sqs"
    default_port = 443
    url_scheme = "sqs"


class TestCassandra(Suite):
    engine = "cassandra"
    default_port = 9042
    url_scheme = "cassandra"


class TestDynamoDB(Suite):
    engine = "dynamodb"
    default_port = 443
    url_scheme = "dynamodb"


class TestKafka(Suite):
    engine = "kafka"
    default_port = 9092
    url_scheme = "kafka"


class TestMemcached(Suite):
    engine = "memcached"
    default_port = 11211
    url_scheme = "memcached"


class TestMQTT(Suite):
    engine = "mqtt"
    default_port = 1883
    url_scheme = "mqtt"


class TestNATS(Suite):
    engine = "nats"
    default_port = 4222
    url_scheme = "nats"


class TestNeo4j(Suite):
    engine = "neo4j"
    default_port = 7687
    url_scheme = "neo4j"


class TestQdrant(Suite):
    engine = "qdrant"
    default_port = 6333
    url_scheme = "http"
    url_fields = ("host", "port", "username", "password")

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        return [*super().wrong_entries(entry), ("name", {**entry, "name": "a collection"})]


class TestElasticsearch(Suite):
    engine = "elasticsearch"
    default_port = 9200
    url_scheme = "http"
    url_fields = ("host", "port", "username", "password")

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        return [*super().wrong_entries(entry), ("name", {**entry, "name": "an index"})]


class TestClickHouse(Suite):
    engine = "clickhouse"
    default_port = 8123
    url_scheme = "clickhouse"


class TestCockroachDB(Suite):
    engine = "cockroachdb"
    default_port = 26257
    url_scheme = "cockroachdb"


class TestTimescaleDB(Suite):
    engine = "timescaledb"
    default_port = 5432
    url_scheme = "timescaledb"


class TestRedshift(Suite):
    engine = "redshift"
    default_port = 5439
    url_scheme = "redshift"


class TestYugabyteDB(Suite):
    engine = "yugabytedb"
    default_port = 5433
    url_scheme = "yugabytedb"


class TestTiDB(Suite):
    engine = "tidb"
    default_port = 4000
    url_scheme = "tidb"


class TestSnowflake(Suite):
    engine = "snowflake"
    default_port = None
    url_scheme = "snowflake"
    checks_options = False  # they are the connector's arguments


class TestBigQuery(Suite):
    engine = "bigquery"
    default_port = None
    url_scheme = "bigquery"
    checks_options = False  # they are SQLAlchemy's


class TestOracle(Suite):
    engine = "oracle"
    default_port = 1521
    url_scheme = "oracle"

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db", "name": "shop.example"}
