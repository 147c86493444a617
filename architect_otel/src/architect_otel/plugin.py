"""The entry point "otel"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_core.contract import hookimpl

if TYPE_CHECKING:
    from architect_core.contract import Observer

ARCHITECT_CONTRACT = 2


@hookimpl
def architect_observer() -> Observer:
    from architect_otel.observer import OtelObserver

    return OtelObserver()
