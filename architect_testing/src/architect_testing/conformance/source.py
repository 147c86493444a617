"""The suite of plugins that a configuration is read from."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from architect_core.contract import Source
from architect_core.exceptions import ConfigError
from architect_core.resolver import Resolver
from architect_core.schema import ServiceConfig, parse_services
from architect_testing.conformance.suite import ASKED_BY, UNKNOWN, Suite, config_error, error_of, fail, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.threads import together

SERVICES: dict[str, Any] = {
    "acme/orders": {
        "host": "http://orders.example/v1",
        "port": 8080,
        "api": "rest",
        "options": {"read_timeout": 2.5, "nested": {"on": True, "list": ["a", "ü"]}},
        "unknown": "kept",
        "subscriptions": {"order_placed": {"acme/mailer": {"uri": "/event", "headers": {"x-key": "a key"}}}},
        "datastores": {"primary_db": {"type": "postgres", "host": "db", "password": "a password"}},
    },
    "acme/mailer": {"host": "mailer", "port": "25", "api": "smtp"},
    "script": {},
}
"""The configuration that is stored, in the format of the variable `ARCHITECT`."""

_LOAD = """
from architect_core.contract import Source
from architect_core.plugins import Plugins
Plugins().get(Source, asked["name"], "the conformance suite").load()
"""


class SourceSuite(Suite, abstract=True):
    """Checks a source of configuration.

        class TestTomlSource(SourceSuite):
            name = "toml"
            names_current_service = False

            @pytest.fixture(autouse=True)
            def file(self, tmp_path, monkeypatch):
                self.path = tmp_path / "services.toml"
                monkeypatch.setenv("ARCHITECT_TOML", str(self.path))

            def store(self, services, current_service):
                self.path.write_text(tomli_w.dumps(services))

            def store_malformed(self, secret):
                self.path.write_text(f'password = "{secret}')

    A subclass defines `name`, `store` and `store_malformed`. The source is the plugin's, configured by the environment
    of the test. At the start of each check nothing must be stored.

    Attributes:
        name: the plugin's name, which is its entry point's.
        names_current_service: whether the source says which service is running.
    """

    _kind = Source
    _named_by = "name"
    _required = ("name", "store", "store_malformed")

    name: ClassVar[str]
    names_current_service: ClassVar[bool] = True

    @abstractmethod
    def store(self, services: Mapping[str, Any], current_service: str | None) -> None:
        """Store a configuration, in which some values may be invalid, in place of the former one."""

    @abstractmethod
    def store_malformed(self, secret: str) -> None:
        """Store a text that cannot be parsed and that contains `secret`."""

    def test_what_was_stored_is_loaded_and_checked(self) -> None:
        """Services are loaded as stored, with every field, as ServiceConfigs that parse_services() has validated."""
        self.store(SERVICES, None)
        services = dict(self._provided().load().services)
        assert all(isinstance(each, ServiceConfig) for each in services.values()), "use parse_services() to check them"
        wanted = parse_services(SERVICES, ASKED_BY)
        different = sorted({*wanted, *services} - {name for name in wanted if services.get(name) == wanted[name]})
        assert not different, f"{different} are not loaded as they were stored"

    @needs(lambda suite: suite.names_current_service)
    def test_the_current_service_is_loaded(self) -> None:
        """The name of the running service is loaded as stored, and is None if it is not stored."""
        for current in ("acme/mailer", None):
            self.store(SERVICES, current)
            found = self._provided().load().current_service
            assert found == current, f"the current service {current!r} was stored, and {found!r} loaded"

    def test_an_empty_store_is_an_empty_configuration(self) -> None:
        """If nothing is stored, or no service, the configuration is empty, without an error."""
        for stored in ("nothing", "no service"):
            if stored == "no service":
                self.store({}, None)
            services = dict(self._provided().load().services)
            assert services == {}, f"{stored} was stored, and {sorted(services)} loaded"

    def test_a_change_is_seen_by_loading_again(self) -> None:
        """Each `load()` reads the store again."""
        source = self._provided()
        for names in (["acme/orders"], ["acme/mailer", "script"]):
            self.store({name: SERVICES[name] for name in names}, None)
            found = sorted(source.load().services)
            assert found == names, f"{names} were stored, and {found} loaded. load() must read again, and keep nothing"

    def test_malformed_content_is_an_error_that_does_not_show_it(self) -> None:
        """Content that cannot be parsed raises a ConfigError that says where it is and does not show it."""
        self.store_malformed(SECRET)
        error = error_of(self._provided().load)
        if not isinstance(error, ConfigError):
            found = "was loaded" if error is None else f"raised a {type(error).__name__}"
            fail(f"a malformed store {found}; it must raise a ConfigError(where, [(path, reason)])", error)
        assert error.where, "the ConfigError's `where` must say what was read, such as the file"
        assert_hidden(SECRET, error=error)

    def test_a_wrong_field_is_an_error_with_its_path_and_without_its_value(self) -> None:
        """An invalid field of a service raises a ConfigError about that field."""
        self.store({"acme/orders": {"host": f"a host with {SECRET}"}}, None)
        error = config_error("a host with spaces", "acme/orders.host", self._provided().load)
        assert error.where, "the ConfigError's `where` must say what was read, such as the file"
        assert_hidden(SECRET, error=error)

    def test_secrets_show_in_no_repr_and_no_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """What is stored is in no repr, str and format of source and configuration, and in no log record."""
        services = {"acme/orders": {"host": f"http://u:{SECRET}@orders", UNKNOWN: SECRET, "options": {"key": SECRET}}}
        self.store(services, None)
        source = self._provided()
        with caplog.at_level(logging.DEBUG):
            configuration = source.load()
        assert_hidden(SECRET, source=source, configuration=configuration, logs=caplog.records)

    def test_fifty_threads_resolve_one_configuration(self) -> None:
        """Fifty threads that resolve a service at once, any of which may load the source, get one service."""
        self.store(SERVICES, None)
        resolver = Resolver(source=self._provided())
        found = {id(service) for service in together(lambda _: resolver.service("acme/orders"))}
        assert len(found) == 1, f"fifty threads got {len(found)} different services"

    def test_a_resolver_finds_the_source_by_its_name(self) -> None:
        """`Resolver(source=name)` reads the source, and so do `configure(source=name)` and `ARCHITECT_SOURCE`."""
        self.store(SERVICES, None)
        config = Resolver(source=self.name, plugins=self._plugins).service("acme/orders").config
        assert config.port == 8080, f"port 8080 was stored, and {config.port} resolved"

    def test_nothing_of_other_plugins_is_imported(self) -> None:
        """Loading imports no other plugin, and nothing that only other plugins require."""
        self.store(SERVICES, None)
        self._assert_own_imports(_LOAD, name=self.name)
