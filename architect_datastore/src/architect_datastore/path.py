"""The path of a file, as an option states it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("must be the path of a file")
    return value


Path = Annotated[str, AfterValidator(_path)]
