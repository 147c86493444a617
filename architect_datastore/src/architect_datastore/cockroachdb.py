"""CockroachDB (https://www.cockroachlabs.com/docs/stable/connection-parameters)."""

from __future__ import annotations

from architect_core.plugins.known import port_of
from architect_datastore.postgres import PostgresRelative, drivers_for

PARSER = PostgresRelative(
    "cockroachdb", port_of("cockroachdb"), "cockroach", drivers=drivers_for("django_cockroachdb", "cockroachdb")
)
