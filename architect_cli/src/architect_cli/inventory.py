"""Finds out about one installed plugin: its distribution, what it provides, and whether it works."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from architect_core.contract import Command, hooks
from architect_core.plugins import loading

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class PluginReport:
    """What was found out about one plugin.

    Attributes:
        name: the name of its entry point, which is the protocol, engine, source or command that it serves.
        distribution: the distribution that it belongs to.
        version: that distribution's version.
        provides: what its hooks return, such as "client factory".
        state: "ok", "disabled", "duplicate" or "broken".
        reason: why the state is not "ok"; empty if it is.
        summary: what its command does, if it provides one.
    """

    name: str
    distribution: str
    version: str
    provides: tuple[str, ...] = ()
    state: str = "ok"
    reason: str = ""
    summary: str = ""


def outline(entry: EntryPoint) -> PluginReport:
    """Reports on a plugin without importing it: only whether it is disabled or a duplicate."""
    distribution, version = loading.named(entry)
    report = PluginReport(entry.name, distribution or "unknown", version)
    if loading.is_disabled(entry):
        return replace(report, state="disabled", reason=f"by {loading.DISABLED_VARIABLE}")
    rivals = [each for each in loading.installed(entry.name) if each != entry and not loading.is_disabled(each)]
    if rivals:
        others = ", ".join(loading.distribution(each) for each in rivals)
        return replace(report, state="duplicate", reason=f"{entry.name!r} is also served by {others}")
    return report


def inspect(entry: EntryPoint) -> PluginReport:
    """Imports a plugin, calls all its hooks, and reports on it; whatever it raises is part of the report."""
    report = outline(entry)
    if report.state != "ok":
        return report
    provided, problems, summary = [], [], ""
    try:
        manager = loading.load(entry)
    except loading.BrokenError as problem:
        return replace(report, state="broken", reason=str(problem))
    for kind in hooks.KINDS:
        try:
            value = loading.call(manager, kind)
        except loading.BrokenError as problem:
            problems.append(str(problem))
            continue
        if value is not None:
            provided.append(kind.hook.removeprefix("architect_").replace("_", " "))
            summary = str(getattr(value, "summary", "")) if isinstance(value, Command) else summary
    if not provided and not problems:
        problems.append("has none of the hooks of the contract")
    state = "broken" if problems else "ok"
    return replace(report, provides=tuple(provided), state=state, reason="; ".join(problems), summary=summary)
