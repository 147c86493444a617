"""The checks of credentials that are read from a good entry."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from architect_core.contract.credentials import CredentialParser
from architect_core.exceptions import ConfigError
from architect_core.resolver.resolver import Resolver
from architect_testing.conformance.credential_texts import SUB_DELIMITERS, texts, url_of
from architect_testing.conformance.imports import foreign_imports
from architect_testing.conformance.suite import UNKNOWN, Suite, fail, needs
from architect_testing.conformance.threads import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from architect_core.contract.credentials import Credentials

    Entry = Mapping[str, Any]

SERVICE = "acme/subject"
_FIELDS = ("host", "port", "username", "password", "name", "engine", "url")
_STATED_PORT = 4321
_ENCODE = "Percent-encode what it holds: urllib.parse.quote(text, safe='')"
_READ = """
from architect_core.exceptions import ConfigError
from architect_core.resolver.resolver import Resolver
Resolver(asked["config"], current_service=asked["service"]).datastore("d0")
"""


class CredentialUse(Suite, abstract=True):
    """What a subclass of `CredentialParserSuite` states, and what must hold where all goes well."""

    _kind = CredentialParser
    _named_by = "engine"
    _stated = ("engine", "default_port", "url_scheme")

    engine: ClassVar[str]
    default_port: ClassVar[int | None]
    url_scheme: ClassVar[str | None]
    url_fields: ClassVar[tuple[str, ...]] = ("host", "port", "username", "password", "name")
    builds_url: ClassVar[bool] = True
    checks_options: ClassVar[bool] = True

    def test_credentials_have_the_documented_attributes_and_are_a_mapping(self, entry: Entry) -> None:
        """Every key of the entry, unknown ones too, is an attribute and a key, and so is `url` where there is one."""
        given = {**entry, "username": "u", "password": "p", UNKNOWN: "kept"}
        db = self._read(given)
        kept = {key: db.get(key) for key in given}
        assert kept == given, f"the entry's keys {sorted(given)} must be fields of the credentials; {sorted(db)} are"
        assert dict(db) == {key: getattr(db, key) for key in db}, "db[key] and db.key differ; give a plain Credentials"
        attributes = {key: getattr(db, key) for key in _FIELDS}
        assert isinstance(attributes["engine"], str), "db.engine must be the engine's name"
        if self.url_scheme is not None:
            with_url = [given] if self.builds_url else []
            with_url += [{"url": self._url(entry, "u", "p")}] if self._url_has_login() else []
            for db in self._read_all(with_url):
                start, remedy = f"{self.url_scheme}:", "Credentials(engine, {**fields, 'url': url}, url)"
                assert (db.url or "").startswith(start), f"db.url must start with {start!r}, as `url_scheme` states"
                assert db.get("url") == db.url, f"db.url must be a field, too: {remedy}"

    @needs(lambda suite: suite.default_port is not None)
    def test_the_default_port_is_used_where_none_is_configured(self, entry: Entry) -> None:
        """`port` is the default one, unless the entry states another."""
        for stated, wanted in (({}, self.default_port), ({"port": _STATED_PORT}, _STATED_PORT)):
            found = self._read({**entry, **stated}).port
            assert found == wanted, f"with {stated or 'no port'} in the entry, db.port must be {wanted}, and is {found}"

    def test_every_character_of_a_user_name_and_a_password_survives(self, entry: Entry) -> None:
        """User name and password that are fields of the entry are given on as they are."""
        found = self._read_all({**entry, "username": text, "password": text} for text in texts())
        _assert_logins(found, "Give fields on as they are, neither decoded nor stripped")

    @needs(lambda suite: suite.url_scheme is not None and suite._url_has_login())  # noqa: SLF001 - its own
    def test_every_character_of_a_user_name_and_a_password_survives_in_a_url(self, entry: Entry) -> None:
        """User name and password of a URL are decoded as RFC 3986 says: "%2B" and "+" are both a plus sign."""
        for bare in ("", SUB_DELIMITERS):
            found = self._read_all({"url": self._url(entry, text, text, bare=bare)} for text in texts())
            _assert_logins(found, "Decode them with urllib.parse.unquote, when the URL has been split")

    @needs(lambda suite: suite.url_scheme is not None)
    def test_the_url_is_an_entry_that_gives_the_same_credentials(self, entry: Entry) -> None:
        """`db.url` as the `url` of an entry gives the same fields and the same URL again."""
        entries: list[Entry] = [entry] if self.builds_url else []
        if self._url_has_login():
            entries += [{"url": self._url(entry, text, text)} for text in texts()]
            if self.builds_url:
                entries += [{**entry, "username": text, "password": text} for text in texts()]
                entries += [{**entry, "username": "u"}, {**entry, "password": "p"}]
        for db in self._read_all(entries):
            again = self._read_again(db)
            lost = [field for field in (*self.url_fields, "url") if getattr(db, field) != getattr(again, field)]
            assert not lost, f"db.url is {db.url!r}, which read again has another {lost}. {_ENCODE}"

    def test_credentials_can_be_pickled_and_copied(self, entry: Entry) -> None:
        """A pickled or copied one is equal, so that it can be given to another process."""
        db = self._read({**entry, "username": "u", "password": "p"})
        wanted = (type(db), db.engine, db.url, dict(db))
        pickled = [pickle.loads(pickle.dumps(db, each)) for each in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301
        for clone in (*pickled, copy.copy(db), copy.deepcopy(db)):
            same = (type(clone), clone.engine, clone.url, dict(clone)) == wanted
            assert same, f"{clone!r} is not what {db!r} was before pickling or copying; give a plain Credentials"

    def test_fifty_threads_get_the_same_credentials(self, entry: Entry) -> None:
        """Fifty threads that ask at once, of which any may be the first, get one object."""
        resolver = self._resolver([entry])
        found = {id(db) for db in together(lambda _: resolver.datastore("d0"))}
        assert len(found) == 1, f"fifty threads got {len(found)} different credentials"

    def test_nothing_of_other_plugins_is_imported(self, entry: Entry) -> None:
        """Reading credentials imports no other plugin, and nothing that only other plugins require."""
        found = foreign_imports(self.engine, _READ, {"config": self._config([entry]), "service": SERVICE})
        assert not found, f"it imports what belongs to other plugins: {found}. Require it, or do without"

    @classmethod
    def _url_has_login(cls) -> bool:
        return {"username", "password"} <= set(cls.url_fields)

    def _config(self, entries: Iterable[Entry]) -> dict[str, Any]:
        datastores = {f"d{number}": {"type": self.engine, **entry} for number, entry in enumerate(entries)}
        return {SERVICE: {"datastores": datastores}}

    def _resolver(self, entries: Iterable[Entry]) -> Resolver:
        return Resolver(self._config(entries), current_service=SERVICE, plugins=self._plugins)

    def _read_all(self, entries: Iterable[Entry]) -> list[Credentials]:
        resolver = self._resolver(entries)
        return [resolver.datastore(name) for name in resolver.current_service().config.datastores]

    def _read(self, entry: Entry) -> Credentials:
        return self._read_all([entry])[0]

    def _read_again(self, db: Credentials) -> Credentials:
        try:
            return self._read({"url": db.url})
        except ConfigError as problem:
            fail(f"db.url is {db.url!r}, which is no entry's url: {problem}. {_ENCODE}", problem)

    def _url(self, entry: Entry, username: str, password: str, *, bare: str = "") -> str:
        host, port = entry.get("host", "localhost"), self.default_port or _STATED_PORT
        place = f"{host}:{port}/{quote(entry.get('name', ''), safe='')}"
        return url_of(self.url_scheme or "", place, username, password, bare=bare)


def _assert_logins(found: list[Credentials], remedy: str) -> None:
    for text, db in zip(texts(), found, strict=True):
        for field, value in (("username", db.username), ("password", db.password)):
            assert value == text, f"the {field} {text!r} became {value!r}. {remedy}"
