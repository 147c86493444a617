"""The parameters of the official images of databases and of Bitnami's, and the fields of credentials that they set."""

from __future__ import annotations

_PARAMETERS = {
    "username": """
        POSTGRES_USER MYSQL_USER MARIADB_USER MONGO_INITDB_ROOT_USERNAME RABBITMQ_DEFAULT_USER CLICKHOUSE_USER
        MINIO_ROOT_USER POSTGRESQL_USERNAME POSTGRESQL_USER RABBITMQ_USERNAME COCKROACH_USER
    """,
    "password": """
        POSTGRES_PASSWORD MYSQL_PASSWORD MARIADB_PASSWORD MONGO_INITDB_ROOT_PASSWORD RABBITMQ_DEFAULT_PASS
        CLICKHOUSE_PASSWORD MINIO_ROOT_PASSWORD REDIS_PASSWORD VALKEY_PASSWORD POSTGRESQL_PASSWORD
        RABBITMQ_PASSWORD COCKROACH_PASSWORD
    """,
    "name": """
        POSTGRES_DB MYSQL_DATABASE MARIADB_DATABASE MONGO_INITDB_DATABASE RABBITMQ_DEFAULT_VHOST CLICKHOUSE_DB
        POSTGRESQL_DATABASE RABBITMQ_VHOST COCKROACH_DATABASE
    """,
}
FIELDS = {parameter: field for field, parameters in _PARAMETERS.items() for parameter in parameters.split()}
"""A parameter -> its field, unless it has another `alias` in `architect.json`."""
