"""Engines that speak the protocol of another, under their own names."""

from __future__ import annotations

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ConfigError, DriverError

# a URL -> the engine, the URL written, SQLAlchemy's dialect, Django's backend; and who says so
URLS = {
    "pgsql://u:p@h/d": ("postgres", "postgresql://u:p@h:5432/d", "postgresql", "django.db.backends.postgresql"),
    "psql://u:p@h/d": ("postgres", "postgresql://u:p@h:5432/d", "postgresql", "django.db.backends.postgresql"),
    "cockroach://u:p@h/d": ("cockroachdb", "cockroachdb://u:p@h:26257/d", "cockroachdb", "django_cockroachdb"),
    "cockroachdb+psycopg://u:p@h:1/d": ("cockroachdb", "cockroachdb://u:p@h:1/d", "cockroachdb", "django_cockroachdb"),
    "cockroachdb+asyncpg://u@h/d": ("cockroachdb", "cockroachdb://u@h:26257/d", "cockroachdb", "django_cockroachdb"),
    "timescale://u:p@h/d": (
        "timescaledb",
        "timescaledb://u:p@h:5432/d",
        "postgresql",
        "timescale.db.backends.postgresql",
    ),
    "timescalegis://h/d": ("timescaledb", "timescaledb://h:5432/d", "postgresql", "timescale.db.backends.postgis"),
    "redshift://u:p@h/d": ("redshift", "redshift://u:p@h:5439/d", "redshift+psycopg2", "django_redshift_backend"),
    "redshift+redshift_connector://h/d": (
        "redshift",
        "redshift://h:5439/d",
        "redshift+psycopg2",
        "django_redshift_backend",
    ),
    "yugabytedb://u:p@h/d": ("yugabytedb", "yugabytedb://u:p@h:5433/d", "postgresql", "django_yugabytedb"),
    "yugabyte:///d": ("yugabytedb", "yugabytedb://localhost:5433/d", "postgresql", "django_yugabytedb"),
    "cockroachdb://?host=a&dbname=d": ("cockroachdb", "cockroachdb://a:26257/d", "cockroachdb", "django_cockroachdb"),
    "mysql2://u:p@h/d": ("mysql", "mysql://u:p@h:3306/d", "mysql+mysqldb", "django.db.backends.mysql"),
    "mysqlgis://u:p@h/d": ("mysql", "mysql://u:p@h:3306/d", "mysql+mysqldb", "django.contrib.gis.db.backends.mysql"),
    "tidb://u:p@h/d": ("tidb", "tidb://u:p@h:4000/d", "mysql+mysqldb", "django_tidb"),
    "tidb+pymysql://u:p@h/d": ("tidb", "tidb://u:p@h:4000/d", "mysql+mysqldb", "django_tidb"),
}


@pytest.mark.parametrize("url", URLS)
def test_the_url_of_a_relative_has_its_engine_port_dialect_and_backend(url):
    db = credentials(url=url)
    dialect = db.for_driver("sqlalchemy")["url"].partition(":")[0]
    assert (db.engine, db.url, dialect, db.for_driver("django")["ENGINE"]) == URLS[url]
    again = credentials(url=db.url)
    assert (again.engine, again.url) == (db.engine, db.url)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("cockroachdb://u@h/d", "psycopg"),
        ("redshift://u@h/d", "redshift_connector"),
        ("oracle://u@h/d", "oracledb"),
        ("snowflake://u@h/d", "snowflake"),
    ],
)
def test_settings_of_django_are_for_django_alone(url, driver):
    db = credentials(url=f"{url}?conn_max_age=600")
    assert db.for_driver("django")["CONN_MAX_AGE"] == 600
    with pytest.raises(DriverError, match="only Django has it"):
        db.for_driver(driver)


@pytest.mark.parametrize("entry", [{"url": "spatialite:///x.db"}, {"type": "spatialite", "name": "x.db"}])
def test_spatialite_is_sqlite_with_django_s_geographic_backend(entry):
    db = credentials(**entry)
    expected = {"ENGINE": "django.contrib.gis.db.backends.spatialite", "NAME": "x.db"}
    assert (db.engine, db.url, db.for_driver("django")) == ("sqlite", "sqlite:///x.db", expected)


@pytest.mark.parametrize(
    ("image", "engine", "port"),
    [
        ("cockroachdb/cockroach:v24.3", "cockroachdb", 26257),
        ("timescale/timescaledb:2.17-pg16", "timescaledb", 5432),
        ("yugabytedb/yugabyte", "yugabytedb", 5433),
        ("pingcap/tidb:v8", "tidb", 4000),
        ("gvenzl/oracle-free:23-slim", "oracle", 1521),
        ("gvenzl/oracle-xe", "oracle", 1521),
        ("postgis/postgis:16-3.4", "postgres", 5432),
    ],
)
def test_the_image_of_a_relative_names_its_engine(image, engine, port):
    db = credentials(image=image, host="h")
    assert (db.engine, db.port) == (engine, port)


@pytest.mark.parametrize(
    ("type_", "url", "written"),
    [
        ("cockroachdb", "postgresql://u@h/d?sslmode=verify-full", "cockroachdb://u@h:26257/d?sslmode=verify-full"),
        ("redshift", "postgres://u@h:1/d", "redshift://u@h:1/d"),
        ("timescaledb", "postgresql+psycopg://u@h/d", "timescaledb://u@h:5432/d"),
        ("tidb", "mysql+pymysql://u@h:4000/d", "tidb://u@h:4000/d"),
    ],
)
def test_the_type_of_an_entry_wins_over_the_scheme_of_the_protocol(type_, url, written):
    db = credentials(type=type_, url=url)
    assert (db.engine, db.url) == (type_, written)


@pytest.mark.parametrize(
    ("kind", "url", "engine"),
    [
        ("cockroachdb", "postgresql://u@h/d", "cockroachdb"),
        ("CockroachDB", "postgres://u@h/d", "cockroachdb"),
        ("timescaledb", "postgresql+psycopg://u@h/d", "timescaledb"),
        ("redshift", "postgresql://u@h/d", "redshift"),
        ("tidb", "mysql://u@h/d", "tidb"),
        ("oraclegis", "oracle://u@h/d", "oracle"),
        ("postgresql", "postgres://u@h/d", "postgres"),
        ("postgresql", "cockroachdb://u@h/d", "cockroachdb"),
        ("mysql", "postgresql://u@h/d", "postgres"),  # what reads it is right
        ("p-mysql", "mysql://u@h/d", "mysql"),
        ("no such engine", "postgresql://u@h/d", "postgres"),
        ("generic", "postgresql://u@h/d", "postgres"),
    ],
)
def test_a_platform_s_name_of_a_relative_wins_over_the_scheme_of_the_protocol(kind, url, engine):
    assert credentials(kind=kind, url=url).engine == engine


# options of a URL -> `sslmode`, or None; of PyMySQL and MySQL Connector/Python
SWITCHES = {
    "ssl_ca=/ca.pem": "verify-full",
    "ssl_ca=/ca.pem&ssl_verify_cert=true": "verify-ca",
    "ssl_ca=/ca.pem&ssl_verify_cert=true&ssl_verify_identity=true": "verify-full",
    "ssl_verify_identity=true": "verify-full",
    "ssl_ca=/ca.pem&ssl_verify_identity=false": "verify-ca",
    "ssl_ca=/ca.pem&ssl_verify_cert=false": "require",
    "ssl_cert=/c.pem&ssl_verify_cert=False": "require",
    "ssl_verify_cert=false": None,
    "ssl_disabled=true": "disable",
    "ssl_disabled=false": None,
    "ssl_disabled=false&ssl_verify_cert=1": "verify-ca",
    "ssl_mode=VERIFY_IDENTITY&ssl_verify_identity=true": "verify-full",
    "ssl-mode=REQUIRED&ssl_verify_cert=false": "require",
}


@pytest.mark.parametrize("scheme", ["mysql", "tidb"])
@pytest.mark.parametrize("query", SWITCHES)
def test_the_switches_of_mysql_s_drivers_are_read(scheme, query):
    db = credentials(url=f"{scheme}://u:p@h/d?{query}")
    assert db.options.get("sslmode") == SWITCHES[query]
    assert credentials(url=db.url).options == db.options


@pytest.mark.parametrize(
    "query", ["ssl_disabled=true&ssl_verify_cert=true", "ssl_verify_cert=canary", "ssl_disabled=true&ssl_ca=/ca.pem"]
)
def test_switches_of_mysql_that_contradict_each_other_are_an_error(query):
    with pytest.raises(ConfigError) as caught:
        credentials(url=f"tidb://u:canary@h/d?{query}")
    assert "canary" not in str(caught.value)


def test_redshift_s_arguments_for_sqlalchemy_are_those_of_its_driver():
    db = credentials(url="redshift://u:p@h/d?sslmode=verify-full")
    assert db.for_driver("sqlalchemy+redshift_connector") == {
        "url": "redshift+redshift_connector://u:p@h:5439/d",
        "connect_args": {"ssl": True, "sslmode": "verify-full"},
    }
