"""TiDB, which speaks MySQL's protocol (https://docs.pingcap.com/tidb/stable/dev-guide-connect-to-tidb/)."""

from __future__ import annotations

from functools import partial

from architect_core.plugins.known import port_of
from architect_datastore.mysql import ALIASES, DRIVERS, MysqlParser, django

PARSER = MysqlParser(
    "tidb",
    port_of("tidb"),
    schemes=dict.fromkeys(("tidb", "mysql", "mariadb", "mysql2"), "tidb"),
    aliases=ALIASES,
    drivers={**DRIVERS, "django": partial(django, backend="django_tidb")},
)
