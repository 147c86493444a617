"""The engines are what plugins of their kind must be."""

from __future__ import annotations

from typing import Any

import pytest

from architect_testing import CredentialParserSuite


class TestPostgres(CredentialParserSuite):
    engine = "postgres"
    default_port = 5432
    url_scheme = "postgresql"

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db", "name": "a/b ?#%ünïcode"}


class TestMySQL(CredentialParserSuite):
    engine = "mysql"
    default_port = 3306
    url_scheme = "mysql"

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db", "name": "a/b ?#%ünïcode"}


class TestRedis(CredentialParserSuite):
    engine = "redis"
    default_port = 6379
    url_scheme = "redis"

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db"}

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        return [*super().wrong_entries(entry), ("name", {**entry, "name": "no number"})]


class TestSQLite(CredentialParserSuite):
    engine = "sqlite"
    default_port = None
    url_scheme = "sqlite"
    url_fields = ("name",)

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"name": "a/b ?#%ünïcode.db"}

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        return [*super().wrong_entries(entry), ("name", {})]


class TestDuckDB(CredentialParserSuite):
    engine = "duckdb"
    default_port = None
    url_scheme = "duckdb"
    url_fields = ("name",)
    checks_options = False  # they are DuckDB's settings

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"name": "a/b ?#%ünïcode.db"}

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        return [*super().wrong_entries(entry), ("name", {}), ("host", {**entry, "host": "h"})]


class TestGeneric(CredentialParserSuite):
    engine = "generic"
    default_port = None
    url_scheme = "mongodb"
    builds_url = False  # whose scheme would it be
    checks_options = False  # of an engine that nobody here knows

    @pytest.fixture
    def entry(self) -> dict[str, Any]:
        return {"host": "db", "name": "a/b ?#%ünïcode"}

    def wrong_entries(self, entry: Any) -> list[tuple[str, Any]]:
        # any scheme is right
        return [(field, wrong) for field, wrong in super().wrong_entries(entry) if "-of-another:" not in str(wrong)]
