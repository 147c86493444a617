"""Every source is found through its entry point, and the one table says the same as the entry points."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

import pytest

import architect.sdk as architect
from architect_core.contract import Source
from architect_core.plugins import Plugins, loading
from architect_core.plugins.known import BY_NAME, KNOWN, PRECEDENCE

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
SOURCES = {each.name: each for each in KNOWN if each.kind == "source"}
# what makes each source, but the one that looks up a server, have a service
VARIABLES = {
    "bindings": {},
    "aspire": {"services__of-aspire__http__0": "http://h"},
    "vcap": {"VCAP_SERVICES": '{"x": [{"name": "of-vcap", "credentials": {"uri": "http://h"}}]}'},
    "urls": {"OF_URLS_URL": "http://h"},
}


def test_the_table_has_the_entry_points_of_this_package():
    project = tomllib.loads(PROJECT.read_text())["project"]
    assert set(project["entry-points"]["architect"]) == set(SOURCES)
    assert {each.distribution for each in SOURCES.values()} == {project["name"]}
    assert {each.extra for each in SOURCES.values()} - {None} == set(project["optional-dependencies"])


def test_the_order_of_precedence_has_the_sources_of_the_table_and_the_core_s_own():
    assert [name for name in PRECEDENCE if name not in SOURCES] == ["environment", "local"]
    assert set(SOURCES) < set(PRECEDENCE)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_its_name_and_that_it_does_not_know_the_running_service(name):
    source = Plugins().get(Source, name, "the test")
    assert (source.name, source.knows_current_service) == (name, False)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_reads_nothing_without_the_variable_of_the_table(name, monkeypatch):
    source = Plugins().get(Source, name, "the test")
    configuration = source.load()
    assert [*configuration.services, *configuration.datastores] == []
    marker = BY_NAME[name].marker
    if marker:
        assert marker in configuration.where


@pytest.mark.parametrize("removed", SOURCES)
def test_without_its_entry_point_a_source_is_gone_and_no_other_is(removed, monkeypatch, binding):
    binding("of-bindings", {"type": "http", "uri": "http://h"})
    for variables in VARIABLES.values():
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
    marker = BY_NAME[removed].marker
    if marker:
        monkeypatch.delenv(marker, raising=False)

    def without(**wanted):
        return EntryPoints(each for each in entry_points(**wanted) if each.name != removed)

    monkeypatch.setattr(loading, "entry_points", without)
    for name in VARIABLES:
        resolver = architect.Resolver()
        if name == removed:
            with pytest.raises(architect.UnknownServiceError):
                resolver.service(f"of-{name}")
        else:
            assert resolver.service(f"of-{name}").config.host == "http://h"
    for name in SOURCES:
        if name == removed:
            with pytest.raises(architect.NoPluginError, match=r"pip install '?architect-sources"):
                architect.Resolver(source=name).service("x")
        elif name != "dns":
            with pytest.raises(architect.UnknownServiceError):
                architect.Resolver(source=name).service("x")
