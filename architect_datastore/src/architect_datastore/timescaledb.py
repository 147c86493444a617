"""TimescaleDB, an extension of PostgreSQL (https://github.com/jamessewell/django-timescaledb)."""

from __future__ import annotations

from typing import ClassVar

from architect_core.plugins.known import port_of
from architect_datastore.postgres import PostgresRelative, drivers_for


class TimescaleParser(PostgresRelative):
    """Credentials for the drivers of PostgreSQL, and for django-timescaledb."""

    geographic: ClassVar = {"timescalegis": "timescale.db.backends.postgis"}


PARSER = TimescaleParser(
    "timescaledb",
    port_of("timescaledb"),
    "timescale",
    "timescalegis",
    drivers=drivers_for("timescale.db.backends.postgresql"),
)
