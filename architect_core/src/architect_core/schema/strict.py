"""The base of every schema that refuses what it does not know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A model whose unknown keys are errors, whose values are final, and whose errors repeat no input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
