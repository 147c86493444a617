"""The suite of plugins that a configuration is read from."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from architect_core.contract.source import Source
from architect_core.exceptions import ConfigError
from architect_core.resolver.resolver import Resolver
from architect_core.schema.config import ServiceConfig, parse_services
from architect_testing.conformance.canary import SECRET, assert_hidden
from architect_testing.conformance.imports import foreign_imports
from architect_testing.conformance.suite import ASKED_BY, UNKNOWN, Suite, error_of, fail, needs, refusal
from architect_testing.conformance.threads import together

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

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
"""What is stored; in the shape of the variable `ARCHITECT`."""

_LOAD = """
from architect_core.plugins.registry import Plugins
from architect_core.contract.source import Source
Plugins().get(Source, asked["name"], "the conformance suite").load()
"""


class SourceSuite(Suite, abstract=True):
    """What must hold for a place that a configuration is read from.

        class TestTomlSource(SourceSuite):
            name = "toml"
            names_current_service = False

            @pytest.fixture(autouse=True)
            def place(self, tmp_path, monkeypatch):
                self.path = tmp_path / "services.toml"
                monkeypatch.setenv("ARCHITECT_TOML", str(self.path))

            def store(self, services, current_service):
                self.path.write_text(tomli_w.dumps(services))

            def store_malformed(self, secret):
                self.path.write_text(f'password = "{secret}')

    A subclass states `name`, `store` and `store_malformed`. The source itself is the one that the plugin gives, which
    reads where the test's environment says. Nothing is stored there when a check starts.

    Attributes:
        name: the plugin's name, which is the entry point's.
        names_current_service: whether the place holds which service is running.
    """

    _kind = Source
    _named_by = "name"
    _stated = ("name", "store", "store_malformed")

    name: ClassVar[str]
    names_current_service: ClassVar[bool] = True

    @abstractmethod
    def store(self, services: Mapping[str, Any], current_service: str | None) -> None:
        """Put a configuration where the source reads, in place of what is there; some are malformed in a text field."""

    @abstractmethod
    def store_malformed(self, secret: str) -> None:
        """Put something there that is not even of the right format, with `secret` in it."""

    def test_what_was_stored_is_loaded_and_checked(self) -> None:
        """Services are loaded as stored, with every key, as ServiceConfigs that architect's schemas have checked."""
        self.store(SERVICES, None)
        services = dict(self._provided().load().services)
        assert all(isinstance(each, ServiceConfig) for each in services.values()), "use parse_services() to check them"
        wanted = parse_services(SERVICES, ASKED_BY)
        different = sorted({*wanted, *services} - {name for name in wanted if services.get(name) == wanted[name]})
        assert not different, f"{different} are not loaded as they were stored"

    @needs(lambda suite: suite.names_current_service)
    def test_the_current_service_is_loaded(self) -> None:
        """Which service is running is loaded as stored, and None where nothing says it."""
        for current in ("acme/mailer", None):
            self.store(SERVICES, current)
            found = self._provided().load().current_service
            assert found == current, f"the current service {current!r} was stored, and {found!r} loaded"

    def test_a_place_that_holds_nothing_is_an_empty_configuration(self) -> None:
        """Where nothing was stored, and where no service was stored, no service is configured, which is no error."""
        for stored in ("nothing", "no service"):
            if stored == "no service":
                self.store({}, None)
            services = dict(self._provided().load().services)
            assert services == {}, f"{stored} was stored, and {sorted(services)} loaded"

    def test_a_change_is_seen_by_loading_again(self) -> None:
        """`load()` reads anew each time."""
        source = self._provided()
        for names in (["acme/orders"], ["acme/mailer", "script"]):
            self.store({name: SERVICES[name] for name in names}, None)
            found = sorted(source.load().services)
            assert found == names, f"{names} were stored, and {found} loaded. load() must read again, and keep nothing"

    def test_what_is_malformed_is_told_without_its_content(self) -> None:
        """A store of no right format is a ConfigError that says where it is, and shows nothing of what it holds."""
        self.store_malformed(SECRET)
        error = error_of(self._provided().load)
        if not isinstance(error, ConfigError):
            found = "was loaded" if error is None else f"raised a {type(error).__name__}"
            fail(f"a malformed store {found}; it must be a ConfigError(where, [(path, reason)])", error)
        assert error.where, "the ConfigError's `where` must say what was read, such as the file"
        assert_hidden(SECRET, error=error)

    def test_a_wrong_field_is_told_with_its_path_and_without_its_value(self) -> None:
        """A service whose entry is wrong is a ConfigError about the field."""
        self.store({"acme/orders": {"host": f"a host with {SECRET}"}}, None)
        error = refusal("a host with spaces", "acme/orders.host", self._provided().load)
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
        """Fifty threads that ask at once, of which any may load it, get one service."""
        self.store(SERVICES, None)
        resolver = Resolver(source=self._provided())
        found = {id(service) for service in together(lambda _: resolver.service("acme/orders"))}
        assert len(found) == 1, f"fifty threads got {len(found)} different services"

    def test_a_resolver_finds_the_source_by_its_name(self) -> None:
        """`Resolver(source=name)`, which `configure(source=name)` makes, reads it."""
        self.store(SERVICES, None)
        config = Resolver(source=self.name, plugins=self._plugins).service("acme/orders").config
        assert config.port == 8080, f"port 8080 was stored, and {config.port} resolved"

    def test_nothing_of_other_plugins_is_imported(self) -> None:
        """Loading imports no other plugin, and nothing that only other plugins require."""
        self.store(SERVICES, None)
        found = foreign_imports(self.name, _LOAD, {"name": self.name})
        assert not found, f"loading imports what belongs to other plugins: {found}. Require it, or do without"
