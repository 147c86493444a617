"""Connects with real drivers, through what `for_driver` gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import django
import sqlalchemy
from django.conf import settings
from django.core.cache import CacheHandler
from django.db import utils
from sqlalchemy.ext.asyncio import create_async_engine


def django_connection(database: dict[str, Any]) -> Any:
    """Django's own connection of an entry of `DATABASES`."""
    if not settings.configured:
        settings.configure()
        django.setup()
    return utils.ConnectionHandler({"default": database})["default"]


def django_cache(cache: dict[str, Any]) -> Any:
    """Django's own connection of an entry of `CACHES`."""
    return CacheHandler({"default": cache})["default"]


def over_dbapi(connect: Callable[..., Any], arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    with closing(connect(**arguments)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(query)
        return tuple(cursor.fetchone())


def over_django(arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    with closing(django_connection(arguments)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return tuple(cursor.fetchone())


def over_sqlalchemy(arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    engine = sqlalchemy.create_engine(**arguments, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return tuple(connection.execute(sqlalchemy.text(query)).one())


def over_async_sqlalchemy(arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    async def run() -> tuple[Any, ...]:
        engine = create_async_engine(**arguments, poolclass=sqlalchemy.NullPool)
        async with engine.connect() as connection:
            return tuple((await connection.execute(sqlalchemy.text(query))).one())

    return asyncio.run(run())
