"""Each check of SourceSuite fails for a plugin that breaks its rule, and for no other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conformance_harness import BROKEN_HOOK, FOUND, HEAD, IMPORTS, Violation, checks_of, each_violation

from architect_testing import SourceSuite

PLUGIN = (
    HEAD
    + """
import dataclasses
import json
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace

from architect_core.contract import Configuration, Source, read_json
from architect_core.exceptions import ConfigError
from architect_core.schema import ServiceConfig, parse_services

log = logging.getLogger(__name__)


class FileSource(Source):
    def load(self):
        path = Path(os.environ["SUBJECT_FILE"])
        content = read_json(path.read_bytes(), str(path)) if path.exists() else {"services": {}}
        return Configuration(parse_services(content["services"], str(path)), content.get("current"), str(path))


@hookimpl
def architect_source():
    return FileSource()


load = FileSource.load
"""
)


class Subject(SourceSuite, abstract=True):
    name = "subject"

    def setup_method(self):  # before each check
        self.path = Path(os.environ["SUBJECT_FILE"])
        self.path.unlink(missing_ok=True)

    def store(self, services, current_service):
        self.path.write_text(json.dumps({"services": services, "current": current_service}))

    def store_malformed(self, secret):
        self.path.write_text('{"password": "' + secret)


STORED = "test_what_was_stored_is_loaded_and_checked"
CURRENT = "test_the_current_service_is_loaded"
EMPTY = "test_an_empty_store_is_an_empty_configuration"
CHANGE = "test_a_change_is_seen_by_loading_again"
MALFORMED = "test_malformed_content_is_an_error_that_does_not_show_it"
FIELD = "test_a_wrong_field_is_an_error_with_its_path_and_without_its_value"
REPRS = "test_secrets_show_in_no_repr_and_no_log"
THREADS = "test_fifty_threads_resolve_one_configuration"
BY_NAME = "test_a_resolver_finds_the_source_by_its_name"


CONTENT = "str([dict(each) for each in configuration.services.values()])"


def loading(what: str) -> str:
    """A source that gives `what`, an expression, in place of the good `configuration`."""
    return f"""
        def load_and_change(self):
            configuration = load(self)
            return {what}
        FileSource.load = load_and_change
    """


def with_services(changed: str) -> str:
    """A source that makes `changed`, an expression, of the `services` where three are stored."""
    return (
        loading("with_changes(configuration)")
        + f"""
        def with_changes(configuration):
            services = configuration.services
            return dataclasses.replace(configuration, services={changed}) if len(services) == 3 else configuration
    """
    )


def refusing(what: str) -> str:
    """A source that does `what` where the good one raises a ConfigError, about a field if there is a `path`."""
    return f"""
        def load_or_tell(self):
            try:
                return load(self)
            except ConfigError as problem:
                where, (path, reason) = problem.where, problem.problems[0]
                error, text = problem, Path(where).read_text()
            {what}
            raise error
        FileSource.load = load_or_tell
    """


VIOLATIONS = {
    "another hook fails": Violation(FOUND, BROKEN_HOOK),
    "unknown keys are lost": Violation(
        STORED, with_services("{name: each.model_copy(update={'unknown': None}) for name, each in services.items()}")
    ),
    "a service is not checked": Violation(STORED, with_services("{**services, 'script': SimpleNamespace()}")),
    "a service is lost": Violation(
        STORED, with_services("{name: services[name] for name in services if name != 'script'}")
    ),
    "the current service is lost": Violation(
        CURRENT, loading("dataclasses.replace(configuration, current_service=None)")
    ),
    "no current service is an empty name": Violation(
        CURRENT, loading("dataclasses.replace(configuration, current_service=configuration.current_service or '')")
    ),
    "nothing is an error": Violation(
        EMPTY,
        """
        def load_or_fail(self):
            if not Path(os.environ["SUBJECT_FILE"]).exists():
                raise ConfigError(os.environ["SUBJECT_FILE"], [("", "is missing")])
            return load(self)
        FileSource.load = load_or_fail
        """,
    ),
    "no service is an error": Violation(
        EMPTY,
        """
        def load_or_fail(self):
            configuration = load(self)
            if Path(os.environ["SUBJECT_FILE"]).exists() and not configuration.services:
                raise ConfigError(configuration.where, [("", "holds no service")])
            return configuration
        FileSource.load = load_or_fail
        """,
    ),
    "it is loaded once": Violation(
        CHANGE,
        """
        def load_once(self):
            self.loaded = getattr(self, "loaded", None) or load(self)
            return self.loaded if self.loaded.services and len(self.loaded.services) < 3 else load(self)
        FileSource.load = load_once
        """,
    ),
    "malformed text is another error": Violation(
        MALFORMED, refusing("error = error if path else ValueError('no JSON')")
    ),
    "malformed text is nothing": Violation(MALFORMED, refusing("if not path: return Configuration({}, None, where)")),
    "malformed text is shown": Violation(
        MALFORMED, refusing("error = error if path else ConfigError(where, [('', f'is no JSON: {text}')])")
    ),
    "malformed text is nowhere": Violation(
        MALFORMED, refusing("error = error if path else ConfigError('', [('', reason)])")
    ),
    "malformed text hangs on the error": Violation(
        MALFORMED, refusing("error.__context__ = None if path else json.JSONDecodeError('no JSON', text, 0)")
    ),
    "a wrong field is another error": Violation(FIELD, refusing("error = ValueError('wrong') if path else error")),
    "a wrong field has no path": Violation(
        FIELD, refusing("error = ConfigError(where, [('', reason)]) if path else error")
    ),
    "a wrong field is taken": Violation(
        FIELD, refusing("if path: return Configuration({'acme/orders': ServiceConfig()}, None, where)")
    ),
    "a wrong field is shown": Violation(
        FIELD, refusing("error = ConfigError(where, [(path, f'{reason}: {text}')]) if path else error")
    ),
    "a log record shows what is loaded": Violation(
        REPRS, loading(f"log.debug('loaded %s', {CONTENT}) or configuration")
    ),
    "the source shows what it loaded": Violation(
        REPRS,
        loading(f"setattr(self, 'last', {CONTENT}) or configuration")
        + "    FileSource.__repr__ = lambda self: getattr(self, 'last', 'nothing')\n",
    ),
    "the configuration shows what it holds": Violation(
        REPRS, loading(f"dataclasses.replace(configuration, where={CONTENT})")
    ),
    "only one thread may load": Violation(
        THREADS, loading("configuration if threading.current_thread() is threading.main_thread() else 1 / 0")
    ),
    "it gives a look-alike": Violation(
        BY_NAME, loading("SimpleNamespace(**vars(configuration), place=configuration.place)")
    ),
    "another plugin is imported": Violation(IMPORTS, "import architect_other"),
    "another plugin's requirement is imported": Violation(
        IMPORTS, loading("__import__('other_library') and configuration")
    ),
}


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBJECT_FILE", str(tmp_path / "services.json"))


def test_a_good_plugin_passes_every_check(harness, pytester):
    assert harness.failures_in_pytest(pytester, PLUGIN, Subject) == {}


@each_violation(VIOLATIONS)
def test_what_breaks_a_rule_fails_its_check_and_no_other(harness, violation, alone):
    failures = harness.failures(PLUGIN, Subject, violation, alone=alone)
    assert set(failures) == {violation.check}, "\n".join(failures.values())


def test_every_check_has_a_plugin_that_fails_it():
    assert {violation.check for violation in VIOLATIONS.values()} == set(checks_of(SourceSuite))
