"""YugabyteDB's YSQL (https://docs.yugabyte.com/stable/develop/drivers-orms/python/)."""

from __future__ import annotations

from architect_core.plugins.known import port_of
from architect_datastore.postgres import PostgresRelative, drivers_for

PARSER = PostgresRelative("yugabytedb", port_of("yugabytedb"), "yugabyte", drivers=drivers_for("django_yugabytedb"))
