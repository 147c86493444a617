"""The suite of plugins that read credentials."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from architect_core.exceptions import ConfigError
from architect_testing.conformance.canary import SECRET, assert_hidden
from architect_testing.conformance.credential_texts import ODD, malformed_urls
from architect_testing.conformance.credential_use import SERVICE, CredentialUse
from architect_testing.conformance.suite import NO_PORTS, UNKNOWN, error_of, fail, needs, refusal

if TYPE_CHECKING:
    import pytest

    from architect_testing.conformance.credential_use import Entry

_PATH = f"{SERVICE}.datastores.d0"
_NO_HOSTS = ("http://[broken", "a b", "host:port:1", "")


class CredentialParserSuite(CredentialUse, abstract=True):
    """What must hold for the credentials of an engine.

        class TestNestCredentials(CredentialParserSuite):
            engine = "nest"
            default_port = 4150
            url_scheme = "nest"

            @pytest.fixture
            def entry(self):
                return {"host": "db"}

    A subclass states `engine`, `default_port`, `url_scheme` and a fixture `entry`: the least that is a good entry,
    without `type`, `port`, `username` and `password`. `wrong_entries` is overridden where the engine refuses more or
    less than most.

    Attributes:
        engine: the plugin's name, which is the entry point's.
        default_port: the port where none is configured; None for an engine that has none.
        url_scheme: the scheme of `db.url`; None for an engine without URLs.
        url_fields: what of host, port, username, password and name its URLs hold.
        builds_url: whether `db.url` is there where the entry has no `url`.
        checks_options: whether an unknown option is an error.
    """

    def wrong_entries(self, entry: Entry) -> list[tuple[str, Entry]]:
        """`(the field that is wrong, an entry)` pairs, each of which must be a ConfigError about that field."""
        wrong: list[tuple[str, Entry]] = [("port", {**entry, "port": port}) for port in NO_PORTS]
        if "host" in entry:
            wrong += [("host", {**entry, "host": host}) for host in _NO_HOSTS]
        return wrong + [("url", {"url": url}) for url in self._malformed_urls("password")]

    @needs(lambda suite: suite.checks_options)
    def test_an_unknown_option_is_refused_with_its_path(self, entry: Entry) -> None:
        """An option that the plugin does not have is a ConfigError with its path and without its value."""
        wrong = {**entry, "options": {UNKNOWN: SECRET}}
        error = refusal("an unknown option", f"{_PATH}.options.{UNKNOWN}", self._read, wrong)
        assert_hidden(SECRET, error=error)

    def test_a_wrong_entry_is_refused_with_its_path(self, entry: Entry) -> None:
        """What is wrong is a ConfigError about its field, and whatever text is in a field is that or is taken."""
        for field, wrong in self.wrong_entries(entry):
            refusal(f"{field} {wrong.get(field)!r}", f"{_PATH}.{field}", self._read, wrong)
        for field in ("host", "username", "password", "name", "url"):
            for odd in ODD:
                error = error_of(self._read, {**entry, field: odd})
                if not isinstance(error, ConfigError | None):
                    remedy = "What is wrong with it must be a ConfigError: raise target.error(field, reason)"
                    fail(f"the {field} {odd[:20]!r} raised a {type(error).__name__}. {remedy}", error)

    def test_secrets_show_in_no_repr_and_no_log(self, entry: Entry, caplog: pytest.LogCaptureFixture) -> None:
        """A password and unknown keys are in no repr, str and format of what is made, and in no log record."""
        entries: list[Entry] = [{**entry, "username": "u", "password": SECRET, UNKNOWN: SECRET}]
        if self.url_scheme is not None and self._url_has_login():
            entries.append({"url": self._url(entry, "u", SECRET)})
        with caplog.at_level(logging.DEBUG):
            for db in self._read_all(entries):
                assert_hidden(SECRET, credentials=db, in_a_dictionary={"db": db})
        assert_hidden(SECRET, parser=self._provided(), logs=caplog.records)

    def test_secrets_show_in_no_error(self, entry: Entry) -> None:
        """Whatever is said about a field, the password beside it is not, nor is one in a malformed URL or host."""
        beside: dict[str, Any] = {
            "port": "no port",
            "host": "a b",
            "url": "no URL",
            "name": "\0",
            "options": {UNKNOWN: 1},
        }
        wrong: list[Entry] = [{**entry, "password": SECRET, field: value} for field, value in beside.items()]
        wrong += [{**entry, "host": f"http://architect:{SECRET}@[broken"}, {**entry, "password": [SECRET]}]
        wrong += [{"url": url} for url in self._malformed_urls(SECRET)]
        for each in wrong:
            assert_hidden(SECRET, error=error_of(self._read, each))

    def _malformed_urls(self, password: str) -> list[str]:
        if self.url_scheme is None:
            return []
        return malformed_urls(self.url_scheme, password, has_host="host" in self.url_fields)
