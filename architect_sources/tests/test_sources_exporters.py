"""What a source's plugin exports is what that source reads, with secrets only if they are requested."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import architect.sdk as architect
import architect_sources
from architect_core.contract import Credentials, ExportTarget, Source
from architect_core.plugins import Plugins

MODULES = [each.name for each in pkgutil.walk_packages(architect_sources.__path__, "architect_sources.")]
SECRET = "s3cret-canary"
URL = f"http://ada:{SECRET}@billing:8080/v1"
SERVICE = ExportTarget("acme/pay_api", {"api": "rest", "host": URL}, [URL])
LOGIN = {"host": "db", "port": 5432, "username": "app", "password": SECRET, "name": "shop"}
DATASTORE = ExportTarget(
    "primary_db",
    {"type": "postgres", **LOGIN},
    [f"postgres://app:{SECRET}@db:5432/shop"],
    Credentials("postgres", LOGIN),
)
EXPORTED = {
    "aspire": [
        f"services__acme-pay-api__http__0={URL}",
        f"ConnectionStrings__primary-db=postgres://app:{SECRET}@db:5432/shop",
    ],
    "urls": [
        "environment:",
        f'  ACME_PAY_API_URL: "{URL}"',
        f'  PRIMARY_DB_URL: "postgres://app:{SECRET}@db:5432/shop"',
    ],
    "bindings": ["SERVICE_BINDING_ROOT=/bindings"],
}


def exported(name, *, secrets):
    exporter = Plugins().get(Source, name, "the test").exporter()
    forms = [next(iter(exporter.forms(target))) for target in (SERVICE, DATASTORE)]
    return forms, exporter.export(forms, Path("/bindings") if exporter.needs_folder else None, secrets=secrets)


@pytest.mark.parametrize("name", EXPORTED)
def test_an_export_is_in_the_platform_s_form_and_its_forms_are_read_as_what_was_exported(name):
    forms, made = exported(name, secrets=True)
    assert (made.text.splitlines(), made.notes) == (EXPORTED[name], [])
    assert set(made.files) == {path for form in forms if name == "bindings" for path in form.values}
    assert architect.Resolver(source=forms[0].source).service("acme/pay_api").config.host in {URL, f"{URL}/"}


@pytest.mark.parametrize("name", EXPORTED)
def test_without_secrets_an_export_has_none_and_a_note_says_how_to_get_them(name):
    _, made = exported(name, secrets=False)
    assert SECRET not in repr((made, made.text, made.files))
    assert len(made.notes) == 1
    assert made.notes[0].startswith(("secrets are", "files with secrets are omitted"))


@pytest.mark.parametrize("name", ["vcap", "dns"])
def test_a_source_without_an_exporter_says_so(name):
    assert Plugins().get(Source, name, "the test").exporter() is None


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
