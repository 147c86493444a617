"""The suite of plugins that read credentials."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from architect_core.contract import CredentialParser, Credentials
from architect_core.exceptions import ConfigError
from architect_core.resolver import Resolver
from architect_testing.conformance.credential_texts import ODD, SUB_DELIMITERS, malformed_urls, texts, url_of
from architect_testing.conformance.suite import UNKNOWN, WRONG_PORTS, Suite, config_error, error_of, fail, needs
from architect_testing.tools.canary import SECRET, assert_hidden
from architect_testing.tools.threads import together

Entry = Mapping[str, Any]

_SERVICE = "acme/subject"
_PATH = f"{_SERVICE}.datastores.d0"
_FIELDS = ("host", "port", "username", "password", "name", "engine", "url")
_WRONG_HOSTS = ("http://[broken", "a b", "host:port:1", "")
_PORT = 4321
_ENCODE = "Percent-encode its parts: urllib.parse.quote(text, safe='')"
_READ = """
from architect_core.resolver import Resolver
Resolver(asked["config"], current_service=asked["service"]).datastore("d0")
"""


class CredentialParserSuite(Suite, abstract=True):
    """Checks the credentials of a database engine.

        class TestNest(CredentialParserSuite):
            engine = "nest"
            default_port = 4150
            url_scheme = "nest"

            @pytest.fixture
            def entry(self):
                return {"host": "db"}

    A subclass defines `engine`, `default_port`, `url_scheme` and a fixture `entry`: the smallest valid configuration,
    without `type`, `port`, `username` and `password`. Override `wrong_entries` if the engine accepts more or less than
    most.

    Attributes:
        engine: the plugin's name, which is its entry point's.
        default_port: the port if none is configured; None for an engine that has none.
        url_scheme: the scheme of `db.url`; None for an engine without URLs.
        url_fields: which of host, port, username, password and name its URLs have.
        builds_url: whether `db.url` is set if the entry has no `url`.
        checks_options: whether an unknown option is an error.
    """

    _kind = CredentialParser
    _named_by = "engine"
    _required = ("engine", "default_port", "url_scheme")

    engine: ClassVar[str]
    default_port: ClassVar[int | None]
    url_scheme: ClassVar[str | None]
    url_fields: ClassVar[tuple[str, ...]] = ("host", "port", "username", "password", "name")
    builds_url: ClassVar[bool] = True
    checks_options: ClassVar[bool] = True

    def wrong_entries(self, entry: Entry) -> list[tuple[str, Entry]]:
        """Pairs of a wrong field's name and an entry, each of which must raise a ConfigError about that field."""
        wrong: list[tuple[str, Entry]] = [("port", {**entry, "port": port}) for port in WRONG_PORTS]
        if "host" in entry:
            wrong += [("host", {**entry, "host": host}) for host in _WRONG_HOSTS]
        return wrong + [("url", {"url": url}) for url in self._malformed_urls("password")]

    def test_credentials_have_the_documented_attributes_and_are_a_mapping(self, entry: Entry) -> None:
        """Every field of the entry, unknown ones too, is an attribute and a key; so is `url`, if there is one."""
        given = {**entry, "username": "u", "password": "p", UNKNOWN: "kept"}
        db = self._read(given)
        kept = {key: db.get(key) for key in given}
        assert kept == given, f"the credentials must have the entry's fields {sorted(given)}, but have {sorted(db)}"
        assert dict(db) == {key: getattr(db, key) for key in db}, "db[key] and db.key differ; return plain Credentials"
        attributes = {key: getattr(db, key) for key in _FIELDS}
        assert isinstance(attributes["engine"], str), "db.engine must be the engine's name"
        if self.url_scheme is not None:
            with_url = [given] if self.builds_url else []
            with_url += [{"url": self._url(entry, "u", "p")}] if self._url_has_login() else []
            for db in self._read_all(with_url):
                start, remedy = f"{self.url_scheme}:", "Credentials(engine, {**fields, 'url': url}, url)"
                assert (db.url or "").startswith(start), f"db.url must start with {start!r}, by `url_scheme`"
                assert db.get("url") == db.url, f"db.url must be a field, too: {remedy}"

    @needs(lambda suite: suite.default_port is not None)
    def test_the_default_port_is_used_where_none_is_configured(self, entry: Entry) -> None:
        """`port` is the default one, unless the entry has another."""
        for configured, wanted in (({}, self.default_port), ({"port": _PORT}, _PORT)):
            found = self._read({**entry, **configured}).port
            assert found == wanted, (
                f"with {configured or 'no port'} in the entry, db.port must be {wanted}, not {found}"
            )

    def test_every_character_of_a_user_name_and_a_password_survives(self, entry: Entry) -> None:
        """User name and password that are fields of the entry are returned unchanged."""
        found = self._read_all({**entry, "username": text, "password": text} for text in texts())
        _assert_logins(found, "Return fields unchanged, neither decoded nor stripped")

    @needs(lambda suite: suite.url_scheme is not None and suite._url_has_login())  # noqa: SLF001 - of this class
    def test_every_character_of_a_user_name_and_a_password_survives_in_a_url(self, entry: Entry) -> None:
        """User name and password of a URL are decoded by RFC 3986: "%2B" and "+" are both a plus sign."""
        for bare in ("", SUB_DELIMITERS):
            found = self._read_all({"url": self._url(entry, text, text, bare=bare)} for text in texts())
            _assert_logins(found, "Decode them with urllib.parse.unquote after splitting the URL")

    @needs(lambda suite: suite.url_scheme is not None)
    def test_the_url_is_an_entry_that_gives_the_same_credentials(self, entry: Entry) -> None:
        """An entry with `db.url` as its `url` has the same fields and the same URL again."""
        entries: list[Entry] = [entry] if self.builds_url else []
        if self._url_has_login():
            entries += [{"url": self._url(entry, text, text)} for text in texts()]
            if self.builds_url:
                entries += [{**entry, "username": text, "password": text} for text in texts()]
                entries += [{**entry, "username": "u"}, {**entry, "password": "p"}]
        found = self._read_all(entries)
        try:
            again = self._read_all({"url": db.url} for db in found)
        except ConfigError as problem:
            refused = next(db.url for db in found if error_of(self._read, {"url": db.url}))
            fail(f"db.url is {refused!r}, which is refused as an entry's url: {problem}. {_ENCODE}", problem)
        for db, same in zip(found, again, strict=True):
            lost = [field for field in (*self.url_fields, "url") if getattr(db, field) != getattr(same, field)]
            assert not lost, f"db.url is {db.url!r}, which as an entry's url has another {lost}. {_ENCODE}"

    def test_credentials_can_be_pickled_and_copied(self, entry: Entry) -> None:
        """Pickled and copied credentials are equal, so that they can be passed to another process."""
        db = self._read({**entry, "username": "u", "password": "p"})
        wanted = (type(db), db.engine, db.url, dict(db))
        pickled = [pickle.loads(pickle.dumps(db, each)) for each in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301 - its own
        for clone in (*pickled, copy.copy(db), copy.deepcopy(db)):
            same = (type(clone), clone.engine, clone.url, dict(clone)) == wanted
            assert same, f"{clone!r} differs from {db!r}, of which it is a copy; return plain Credentials"

    def test_fifty_threads_get_the_same_credentials(self, entry: Entry) -> None:
        """Fifty threads that read a datastore's credentials at once get one object."""
        resolver = self._resolver([entry])
        found = {id(db) for db in together(lambda _: resolver.datastore("d0"))}
        assert len(found) == 1, f"fifty threads got {len(found)} different credentials"

    def test_nothing_of_other_plugins_is_imported(self, entry: Entry) -> None:
        """Reading credentials imports no other plugin, and nothing that only other plugins require."""
        self._assert_own_imports(_READ, config=self._config([entry]), service=_SERVICE)

    @needs(lambda suite: suite.checks_options)
    def test_an_unknown_option_is_refused_with_its_path(self, entry: Entry) -> None:
        """An unknown option raises a ConfigError that has its path and not its value."""
        wrong = {**entry, "options": {UNKNOWN: SECRET}}
        error = config_error("an unknown option", f"{_PATH}.options.{UNKNOWN}", self._read, wrong)
        assert_hidden(SECRET, error=error)

    def test_a_wrong_entry_is_refused_with_its_path(self, entry: Entry) -> None:
        """A wrong field raises a ConfigError about it; no text in a field raises anything else."""
        for field, wrong in self.wrong_entries(entry):
            config_error(f"{field} {wrong.get(field)!r}", f"{_PATH}.{field}", self._read, wrong)
        for field in ("host", "username", "password", "name", "url"):
            for odd in ODD:
                error = error_of(self._read, {**entry, field: odd})
                if not isinstance(error, ConfigError | None):
                    remedy = "Raise a ConfigError if it is wrong: raise target.error(field, reason)"
                    fail(f"the {field} {odd[:20]!r} raised a {type(error).__name__}. {remedy}", error)

    def test_secrets_show_in_no_repr_and_no_log(self, entry: Entry, caplog: pytest.LogCaptureFixture) -> None:
        """A password and unknown fields are in no repr, str and format of an object, and in no log record."""
        entries: list[Entry] = [{**entry, "username": "u", "password": SECRET, UNKNOWN: SECRET}]
        if self.url_scheme is not None and self._url_has_login():
            entries.append({"url": self._url(entry, "u", SECRET)})
        with caplog.at_level(logging.DEBUG):
            for db in self._read_all(entries):
                assert_hidden(SECRET, credentials=db, in_a_dictionary={"db": db})
        assert_hidden(SECRET, parser=self._provided(), logs=caplog.records)

    def test_secrets_show_in_no_error(self, entry: Entry) -> None:
        """No error about a wrong field shows the password beside it, or one in a malformed URL or host."""
        beside = {"port": "no port", "host": "a b", "url": "no URL", "name": "\0", "options": {UNKNOWN: 1}}
        wrong: list[Entry] = [{**entry, "password": SECRET, field: value} for field, value in beside.items()]
        wrong += [{**entry, "host": f"http://architect:{SECRET}@[broken"}, {**entry, "password": [SECRET]}]
        wrong += [{"url": url} for url in self._malformed_urls(SECRET)]
        for each in wrong:
            assert_hidden(SECRET, error=error_of(self._read, each))

    @classmethod
    def _url_has_login(cls) -> bool:
        return {"username", "password"} <= set(cls.url_fields)

    def _malformed_urls(self, password: str) -> list[str]:
        if self.url_scheme is None:
            return []
        return malformed_urls(self.url_scheme, password, has_host="host" in self.url_fields)

    def _url(self, entry: Entry, username: str, password: str, *, bare: str = "") -> str:
        host, port = entry.get("host", "localhost"), self.default_port or _PORT
        location = f"{host}:{port}/{quote(entry.get('name', ''), safe='')}"
        return url_of(self.url_scheme or "", location, username, password, bare=bare)

    def _config(self, entries: Iterable[Entry]) -> dict[str, Any]:
        datastores = {f"d{number}": {"type": self.engine, **entry} for number, entry in enumerate(entries)}
        return {_SERVICE: {"datastores": datastores}}

    def _resolver(self, entries: Iterable[Entry]) -> Resolver:
        return Resolver(self._config(entries), current_service=_SERVICE, plugins=self._plugins)

    def _read_all(self, entries: Iterable[Entry]) -> list[Credentials]:
        resolver = self._resolver(entries)
        return [resolver.datastore(name) for name in resolver.current_service().config.datastores]

    def _read(self, entry: Entry) -> Credentials:
        return self._read_all([entry])[0]


def _assert_logins(found: list[Credentials], remedy: str) -> None:
    for text, db in zip(texts(), found, strict=True):
        for field, value in (("username", db.username), ("password", db.password)):
            assert value == text, f"the {field} {text!r} became {value!r}. {remedy}"
