"""Each check of CredentialParserSuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_testing import CredentialParserSuite
from architect_testing.conformance import credential_parser
from architect_testing.conformance.credential_texts import texts

PLUGIN = (
    HEAD
    + """
import logging
import threading
from urllib.parse import quote, unquote

from architect_core.contract import CredentialParser, Credentials, Options, parse_address
from architect_core.exceptions import ConfigError

log = logging.getLogger(__name__)


def split(url, target):
    scheme, separator, rest = url.partition("://")
    if scheme != "nest" or not separator or "?" in rest or "#" in rest:
        raise target.error("url", "must be nest://username:password@host:port/name")
    authority, _, name = rest.partition("/")
    address = address_of(authority, "url", target)
    fields = {"host": address.host, "port": address.port, "username": address.username, "password": address.password}
    fields["name"] = unquote(name)
    return {key: value for key, value in fields.items() if value or key == "password" and value is not None}


def address_of(text, field, target):
    try:
        return parse_address(text)
    except ValueError as problem:
        reason = str(problem)
    raise target.error(field, reason)


def join(fields):
    login, name = quote(fields.get("username") or "", safe=""), quote(fields.get("name", ""), safe="")
    if fields.get("password") is not None:
        login += ":" + quote(fields["password"], safe="")
    return f"nest://{login}{'@' if login else ''}{fields['host']}:{fields['port']}/{name}"


def merged(target):
    given = {key: value for key, value in target.config.items() if value is not None}
    url = given.pop("url", None)
    fields = {**(split(url, target) if url is not None else {}), **given}
    if "host" not in fields:
        raise target.error("host", "is missing")
    fields["host"] = address_of(fields["host"], "host", target).host
    fields.setdefault("port", 4150)
    return fields


class NestParser(CredentialParser):
    def credentials(self, target):
        fields = merged(target)
        url = join(fields)
        return Credentials("nest", {**fields, "url": url}, url)


@hookimpl
def architect_credential_parser():
    return NestParser()


read = NestParser.credentials
"""
)


class Subject(CredentialParserSuite, abstract=True):
    engine = "subject"
    default_port = 4150
    url_scheme = "nest"

    @pytest.fixture
    def entry(self):
        return {"host": "db", "name": "a/b"}


ATTRIBUTES = "test_credentials_have_the_documented_attributes_and_are_a_mapping"
PORT = "test_the_default_port_is_used_where_none_is_configured"
CHARACTERS = "test_every_character_of_a_user_name_and_a_password_survives"
CHARACTERS_IN_URL = "test_every_character_of_a_user_name_and_a_password_survives_in_a_url"
URL = "test_the_url_is_an_entry_that_gives_the_same_credentials"
OPTIONS = "test_an_unknown_option_is_refused_with_its_path"
WRONG = "test_a_wrong_entry_is_refused_with_its_path"
REPRS = "test_secrets_show_in_no_repr_and_no_log"
ERRORS = "test_secrets_show_in_no_error"
PICKLES = "test_credentials_can_be_pickled_and_copied"
THREADS = "test_fifty_threads_get_the_same_credentials"


def with_fields(change: str) -> str:
    """A parser that makes `change` to the `fields` that it has read from the entry of `target`."""
    return f"""
        good_fields = merged
        def merged(target):
            fields = good_fields(target)
            {change}
            return fields
    """


def with_given_password(changed: str) -> str:
    """A parser that makes `changed`, an expression, of a `password` that is a field of the entry."""
    return f"""
        good_fields = merged
        def merged(target):
            fields, password = good_fields(target), target.config.password
            return fields if password is None else {{**fields, "password": {changed}}}
    """


def with_url_fields(change: str) -> str:
    """A parser that makes `change` to the `fields` that it has read from a URL."""
    return f"""
        good_split = split
        def split(url, target):
            fields = good_split(url, target)
            {change}
            return fields
    """


def giving(credentials: str) -> str:
    """A parser that gives `credentials`, an expression, in place of `db`."""
    return f"""
        class Own(Credentials):
            __slots__ = ()
        def read_and_change(self, target):
            db = read(self, target)
            return {credentials}
        NestParser.credentials = read_and_change
    """


def refusing(what: str) -> str:
    """A parser that does `what` where the good one raises a ConfigError about `field`."""
    return f"""
        def read_or_tell(self, target):
            try:
                return read(self, target)
            except ConfigError as problem:
                field, reason = problem.problems[0]
                field = field.rpartition(".")[2]
            {what}
        NestParser.credentials = read_or_tell
    """


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "unknown keys are lost": Violation(ATTRIBUTES, with_fields("fields.pop('no_such_key', None)")),
    "the URL is no field": Violation(
        ATTRIBUTES, giving("Credentials('nest', {key: db[key] for key in db if key != 'url'}, db.url)")
    ),
    "there is no URL": Violation(ATTRIBUTES, giving("Credentials('nest', dict(db)) if 'no_such_key' in db else db")),
    "an attribute differs from its key": Violation(
        ATTRIBUTES, giving("Own('nest', dict(db), db.url)") + "    Own.name = property(lambda self: 'another')\n"
    ),
    "the default port is another": Violation(PORT, with_fields("fields['port'] += fields['port'] == 4150")),
    "the configured port is lost": Violation(PORT, with_fields("fields['port'] = 4150")),
    "fields are stripped": Violation(CHARACTERS, with_given_password("password.strip()")),
    "fields are decoded": Violation(CHARACTERS, with_given_password("unquote(password)")),
    "fields are cut to ASCII": Violation(CHARACTERS, with_given_password("ascii(password)[1:-1]")),
    "a plus in a URL is a space": Violation(
        CHARACTERS_IN_URL,
        """
        good_split = split
        def split(url, target):
            return good_split(url.replace("+", "%20"), target)
        """,
    ),
    "a URL's name is not decoded": Violation(
        URL, with_url_fields("'name' in fields and fields.update(name=quote(fields['name'], safe=''))")
    ),
    "the URL's password is not encoded": Violation(
        URL,
        """
        good_join = join
        def join(fields):
            return good_join({**fields, "password": None}).replace("@", f":{fields.get('password')}@")
        """,
    ),
    "any option is taken": Violation(
        OPTIONS,
        """
        class AnyOptions(Options, extra="allow"):
            pass
        NestParser.Options = AnyOptions
        """,
    ),
    "an unknown option is told with its value": Violation(
        OPTIONS,
        """
        class AnyOptions(Options, extra="allow"):
            pass
        NestParser.Options = AnyOptions
        """
        + with_fields(
            """
            for name, value in target.options.model_extra.items():
                raise target.error(f"options.{name}", f"is unknown, with the value {value!r:.30}")"""
        ),
    ),
    "what is wrong is another error": Violation(WRONG, refusing("raise ValueError('wrong')")),
    "what is wrong is told as another field": Violation(WRONG, refusing("raise target.error('name', reason)")),
    "what is wrong is taken": Violation(
        WRONG, refusing("return Credentials('nest', {'host': '', 'url': ''}, 'nest:')")
    ),
    "an odd name is another error": Violation(WRONG, with_fields("fields.get('name', 'a')[0]")),
    "an error shows a URL": Violation(ERRORS, refusing("raise target.error(field, f'not {target.config.url}')")),
    "an error shows the entry": Violation(ERRORS, refusing("raise target.error(field, str(dict(target.config)))")),
    "an error comes from one that shows the URL": Violation(
        ERRORS, refusing("raise target.error(field, reason) from ValueError(target.config.url)")
    ),
    "a repr shows all": Violation(
        REPRS, giving("Own('nest', dict(db), db.url)") + "    Own.__repr__ = lambda self: str(dict(self))\n"
    ),
    "a log record shows the password": Violation(REPRS, with_fields("log.debug('read %s', fields)")),
    "a log record shows the URL": Violation(REPRS, with_fields("log.debug('read %s', target.config.url)")),
    "the parser shows what it read last": Violation(
        REPRS, with_fields("NestParser.last = fields") + "    NestParser.__repr__ = lambda self: str(self.last)\n"
    ),
    "credentials cannot be pickled": Violation(
        PICKLES, giving("Own('nest', dict(db), db.url)") + "    Own.__reduce__ = lambda self: 1 / 0\n"
    ),
    "a copy has no URL": Violation(
        PICKLES,
        giving("Own('nest', dict(db), db.url)") + "    Own.__reduce__ = lambda self: (Own, ('nest', dict(self)))\n",
    ),
    "only one thread may read": Violation(
        THREADS, with_fields("assert threading.current_thread() is threading.main_thread(), 'of another thread'")
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(IMPORTS, with_fields("import other_library")),
}


def test_a_good_plugin_passes_every_check(harness, pytester):
    assert harness.failures_in_pytest(pytester, PLUGIN, Subject) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, violation, alone, monkeypatch):
    # those that hold all characters at once; the good plugin reads every one
    monkeypatch.setattr(credential_parser, "texts", lambda: texts()[-17:])
    failures = harness.failures(PLUGIN, Subject, violation, alone=alone)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(CredentialParserSuite))
