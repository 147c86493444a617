"""A third party's engine on a host and port, made with the kit."""

from __future__ import annotations

import doctest
import pickle
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import Field

from architect_core.contract import (
    CredentialParser,
    Credentials,
    DatastoreProvisioner,
    DatastoreTarget,
    Options,
    credentials,
)
from architect_core.exceptions import ConfigError, PluginError, UnknownDriverError
from architect_core.plugins import Plugins, loading
from architect_core.schema import DatastoreConfig
from architect_datastore.kit import NetworkParser, connection_string, entry, network, url


class EggOptions(Options):
    """Options of a nest."""

    warmth: int | None = Field(default=None, gt=0)


class NestParser(NetworkParser):
    """With options, and several hosts."""

    Options = EggOptions
    several_hosts = True


def nestlib(db: Credentials) -> dict[str, object]:
    """The arguments of a driver."""
    return {"address": f"{db.host}:{db.port}", **db.options}


def read(parser: NetworkParser, **entry: object) -> Credentials:
    config = DatastoreConfig(**entry)
    options = parser.Options(**config.options)
    return parser.credentials(DatastoreTarget("d", "nest", config, options, "the test", "a.d"))


def test_a_parser_of_three_arguments_reads_fields_urls_and_connection_strings():
    parser = NetworkParser("nest", 4150, schemes={"nest": "nest"})
    by_fields = read(parser, host="db", username="u", password="p@", name="n")
    by_url = read(parser, url="nest://u:p%40@db/n")
    by_string = read(parser, connection_string="Host=db;User ID=u;Password=p@;Database=n")
    assert by_fields.url == by_url.url == by_string.url == "nest://u:p%40@db:4150/n"
    with pytest.raises(UnknownDriverError, match="no driver for the engine nest named 'nestlib'; none is known"):
        by_url.for_driver("nestlib")


def test_a_driver_of_its_own_is_served_and_survives_a_pickle():
    parser = NestParser("nest", 4150, {"nest": "nest"}, drivers={"nest-lib": nestlib})
    db = read(parser, url="nest://a,b:1/n?warmth=3")
    assert db.hosts == [("a", 4150), ("b", 1)]
    for clone in (db, pickle.loads(pickle.dumps(db))):
        assert clone.for_driver("Nest_Lib") == {"address": "a:4150", "warmth": 3}


def test_its_options_are_checked_wherever_they_stand():
    parser = NestParser("nest", 4150, {"nest": "nest"})
    assert read(parser, host="h", options={"warmth": "3"}).url == "nest://h:4150/?warmth=3"
    with pytest.raises(ConfigError, match=r"a\.d\.url\.warmth: input should be greater than 0"):
        read(parser, url="nest://h/n?warmth=0")
    with pytest.raises(ConfigError, match=r"a\.d\.connection_string\.Timeout: unknown key"):
        read(parser, connection_string="Host=h;Timeout=3")


def test_an_option_that_it_does_not_know_is_kept():
    db = read(NestParser("nest", 4150, {"nest": "nest"}), url="nest://h/n?feathers=a%20b&password=p")
    assert (db.feathers, db.options) == ("a b", {"feathers": "a b", "password": "p"})
    assert db.password is None


def test_a_parser_is_a_plugin_by_itself(monkeypatch, tmp_path):
    (tmp_path / "own_nest.py").write_text(
        "from architect_datastore.kit import NetworkParser\n"
        "PARSER = NetworkParser('nest', 4150, schemes={'nest': 'nest'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    group = EntryPoints([EntryPoint("nest", "own_nest:PARSER", "architect")])
    monkeypatch.setattr(loading, "entry_points", group.select)
    assert Plugins().get(CredentialParser, "nest", "the test").default_port == 4150
    assert Plugins().find(DatastoreProvisioner, "nest", "the test") is None


def test_a_subclass_states_the_version_of_the_contract_that_it_is_written_for(monkeypatch, tmp_path):
    (tmp_path / "newer_nest.py").write_text(
        "from architect_datastore.kit import NetworkParser\n"
        "class Parser(NetworkParser):\n    ARCHITECT_CONTRACT = 99\n"
        "PARSER = Parser('nest', 4150, schemes={'nest': 'nest'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    group = EntryPoints([EntryPoint("nest", "newer_nest:PARSER", "architect")])
    monkeypatch.setattr(loading, "entry_points", group.select)
    with pytest.raises(PluginError, match="written for version 99 of the plugin contract"):
        Plugins().get(CredentialParser, "nest", "the test")


def test_credentials_of_three_arguments_stay_what_they_were():
    db = Credentials("nest", {"host": "h", "port": 1, "options": None}, "nest://h:1/")
    assert (db.options, db.hosts, dict(db)) == ({}, [("h", 1)], {"host": "h", "port": 1, "options": None})
    assert type(db).__reduce__(db) == (Credentials, ("nest", {"host": "h", "port": 1, "options": None}, "nest://h:1/"))
    assert pickle.loads(pickle.dumps(db)) == db


@pytest.mark.parametrize("module", [connection_string, credentials, entry, network, url])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
