"""The table of known names, the entry points, and what a missing one leads to."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from architect_core.contract import CredentialParser, Credentials
from architect_core.exceptions import NoPluginError
from architect_core.plugins import Plugins, loading
from architect_core.plugins.known import BY_NAME, KNOWN, port_of, remedy
from architect_core.resolver import Resolver

PACKAGES = Path(__file__).parents[2]
ENGINES = [each for each in KNOWN if each.kind == "engine"]
NAMES = [name for each in ENGINES for name in (each.name, *each.aliases)]


@pytest.fixture
def without(monkeypatch) -> Callable[..., None]:
    """Hides entry points."""

    def hide(*names: str) -> None:
        group = EntryPoints(each for each in loading.entry_points(group="architect") if each.name not in names)
        monkeypatch.setattr(loading, "entry_points", group.select)

    return hide


def read(**entry: Any) -> Credentials:
    return Resolver({"acme/a": {"datastores": {"db": entry}}}, current_service="acme/a").datastore("db")


def entry_points(distribution: str) -> set[str]:
    project = tomllib.loads((PACKAGES / distribution.replace("-", "_") / "pyproject.toml").read_text())["project"]
    return set(project["entry-points"]["architect"])


@pytest.mark.parametrize("distribution", ["architect-datastore", "architect-rest", "architect-grpc", "architect-otel"])
def test_the_table_has_exactly_the_entry_points_of_a_distribution(distribution):
    of_table = [each for each in KNOWN if each.distribution == distribution]
    assert {name for each in of_table for name in (each.name, *each.aliases)} == entry_points(distribution)


def test_a_name_stands_in_the_table_once():
    names = [name for each in KNOWN for name in (each.name, *each.aliases, *each.schemes)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda each: each.name)
def test_the_default_port_of_a_parser_is_that_of_the_table(engine):
    parser = Plugins().get(CredentialParser, engine.name, "the test")
    assert getattr(parser, "default_port", None) == port_of(engine.name) == engine.port


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_whose_entry_point_is_removed_is_missing_and_no_other(without, name):
    before = set(Plugins().names())
    without(name)
    assert set(Plugins().names()) == before - {name}
    with pytest.raises(NoPluginError) as caught:
        read(type=name, host="h")
    assert (caught.value.protocol, remedy(name)) == (name, "pip install architect-datastore")
    assert str(caught.value).endswith("pip install architect-datastore")
    for other in {"postgres", "sqlite"} - {name}:
        assert read(type=other, host="h", name="n").engine == other


@pytest.mark.parametrize("name", ["postgresql", "rediss", "amqps", "mongodb"])
def test_a_url_whose_engine_is_not_installed_names_it_and_what_to_install(without, name):
    without(*NAMES)
    with pytest.raises(NoPluginError, match="pip install architect-datastore") as caught:
        read(url=f"{name}://app:s3cret@db/shop")
    assert str(caught.value).startswith(f"datastore 'db': no installed plugin serves '{name}'")


@pytest.mark.parametrize("entry", [{"host": "h"}, {"connection_string": "Host=h;Username=u"}])
def test_an_entry_that_names_no_engine_says_what_to_install_where_nothing_reads_it(without, entry):
    without(*NAMES)
    with pytest.raises(NoPluginError, match="pip install architect-datastore") as caught:
        read(**entry)
    assert str(caught.value).startswith("datastore 'db', whose entry names no engine: no installed plugin serves")


def test_a_generic_plugin_that_cannot_be_loaded_harms_no_entry_with_an_engine(monkeypatch):
    broken = EntryPoint("generic", "no_such_module", "architect")
    others = [each for each in loading.entry_points(group="architect") if each.name != "generic"]
    monkeypatch.setattr(loading, "entry_points", EntryPoints([broken, *others]).select)
    assert read(host="h", kind="postgresql", POSTGRES_DB="n").engine == "postgres"


def test_every_alias_is_known_by_its_engine():
    assert BY_NAME["amqps"] is BY_NAME["rabbitmq"]
    assert (port_of("amqp"), port_of("amqps"), port_of("http"), port_of("https")) == (5672, 5671, 80, 443)
