"""Keys of manifests and of the file of --config that no field has: warnings, or errors with --strict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from architect_cli.messages import print_error
from architect_core.exceptions import ConfigError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from architect_cli.planning.overrides import Overrides
    from architect_cli.planning.tree import Node
    from architect_core.schema.base import Problem


def report_unknown(nodes: Iterable[Node], overrides: Overrides | None = None, *, strict: bool) -> None:
    """Prints each unknown key to standard error; if `strict`, raises ConfigError for the first file that has any."""
    for node in nodes:
        _report(node.where, node.unknown, ManifestError, strict=strict)
    if overrides is not None:
        _report(overrides.where, overrides.unknown, ConfigError, strict=strict)


def _report(where: str, unknown: Sequence[Problem], error: type[ConfigError], *, strict: bool) -> None:
    if strict and unknown:
        raise error(where, list(unknown))
    for path, reason in unknown:
        print_error(f"warning: {where}: {path}: {reason}")
