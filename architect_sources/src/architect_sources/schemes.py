"""Distinguishes URLs of datastores from those of services."""

from __future__ import annotations

from architect_core.plugins.known import known

_OTHER_DATASTORES = frozenset({"file", "kafka", "nats"})  # no package of ours serves them


def is_datastore(scheme: str) -> bool:
    """Returns whether URLs with `scheme` are those of a well-known datastore, and so of no service.

    >>> is_datastore("postgresql+psycopg"), is_datastore("https")
    (True, False)
    """
    name = scheme.partition("+")[0]
    found = known(name)
    return name in _OTHER_DATASTORES or (found is not None and found.kind == "engine" and name != "generic")
