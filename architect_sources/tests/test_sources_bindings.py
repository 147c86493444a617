"""Service bindings: which files are fields, attributes, options and errors."""

from __future__ import annotations

import itertools
import shutil

import pytest

import architect.sdk as architect
from architect_core.contract import Source
from architect_core.plugins import Plugins
from architect_sources.bindings import BindingSource

pytestmark = pytest.mark.usefixtures("parser")

SECRET = "s3cret-canary"


def test_a_malformed_binding_is_an_error_for_its_own_name_alone(binding):
    binding("bad", {"type": "postgresql", "host": "db", "port": SECRET})
    binding("good", {"type": "postgresql", "host": "db", "port": "5432"})
    assert architect.datastore("good").port == 5432
    with pytest.raises(architect.ConfigError, match=r"the service binding .*/bindings/bad: port: a port is") as caught:
        architect.datastore("bad")
    assert SECRET not in str(caught.value)


def test_a_binding_s_other_files_are_attributes_and_its_certificates_options(binding):
    files = {"type": "kafka", "provider": "acme", "host": "k", "custom": "yes", "ca.crt": "PEM", "password": "p\n"}
    folder = binding("db", files)
    found = architect.Resolver().catalog.datastore("db", None)
    assert found.entry.options == {"ca": str(folder / "ca.crt")}
    assert (found.entry["provider"], found.entry["custom"], found.entry.password) == ("acme", "yes", "p")
    assert (found.source, found.where) == ("bindings", f"the service binding {folder}")


@pytest.mark.parametrize(
    ("key", "kind"),
    [*itertools.product(["type", "api", "password", "uri"], ["link", "folder", "bytes"]), ("sslmode", "link")],
)
def test_a_file_of_a_field_that_cannot_be_read_is_an_error(binding, key, kind):
    path = binding("db", {"type": "postgresql", "host": "h"}) / key
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    look_up = architect.service if key == "api" else architect.datastore
    with pytest.raises(architect.ConfigError, match=f"/bindings/db: {key}: "):
        look_up("db")


def test_a_binding_whose_folder_cannot_be_listed_is_an_error_for_its_own_name_alone(binding):
    folder, _ = (binding(name, {"type": "postgresql", "host": name}) for name in ("db", "other"))
    assert architect.datastore("other").host == "other"
    shutil.rmtree(folder)
    with pytest.raises(architect.ConfigError, match="/bindings/db: cannot be listed"):
        architect.datastore("db")


@pytest.mark.parametrize(
    ("type", "host", "expected"),
    [("rest", "h", "https://h"), ("http", "h", "h"), ("rest", "http://h", "http://h"), ("grpc", "h", "h")],
)
def test_a_service_binding_s_certificates_are_its_option_tls(binding, type, host, expected):
    files = {"ca.crt": "ca", "certificates": "certificate", "private-key": "key"}
    folder = binding("billing", {"type": type, "host": host, **dict.fromkeys(files, "PEM")})
    found = architect.service("acme/billing").config
    assert found.options == {"tls": {option: str(folder / key) for key, option in files.items()}}
    assert found.host == expected


def test_a_key_without_a_certificate_is_an_attribute(binding):
    folder = binding("billing", {"type": "http", "uri": "http://api", "private-key": "PEM"})
    found = architect.service("billing").config
    assert (found.options, found["key"]) == ({}, str(folder / "private-key"))


def test_certificates_without_a_key_are_those_of_authorities(binding):
    # a secret of Kubernetes may have an empty ca.crt
    folder = binding("db", {"type": "kafka", "host": "k", "certificates": "PEM", "ca.crt": ""})
    found = architect.Resolver().catalog.datastore("db", None)
    assert found.entry.options == {"ca": str(folder / "certificates")}


def test_a_service_binding_with_a_login_is_a_host_with_one(binding):
    binding("billing", {"type": "https", "host": "billing", "username": "me", "password": "p@ss"})
    assert architect.service("acme/billing").config.host == "https://me:p%40ss@billing"


STRICT = """
from architect_core.contract import CredentialParser, Credentials, Options, hookimpl

ARCHITECT_CONTRACT = 2

class Parser(CredentialParser):
    class Options(Options):
        ca: str | None = None
    def credentials(self, target):
        return Credentials(target.engine, dict(target.config), {"ca": target.options.ca})

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.mark.parametrize("how", ["by default", "by its name", "as an object"])
def test_the_source_is_the_same_by_default_by_its_name_and_as_an_object(binding, install_plugin, how):
    install_plugin("architect-strict", {"strict": "strict_parser"}, {"strict_parser": STRICT})
    folder = binding("db", {"type": "strict", "host": "h", "ca.crt": "PEM", "tls.crt": "PEM", "tls.key": "PEM"})
    binding("bad", {"type": "strict", "port": "canary"})
    source = {"by default": None, "by its name": "bindings", "as an object": BindingSource()}[how]
    resolver = architect.Resolver(source=source)
    found = resolver.catalog.datastore("db", None)
    assert (found.source, found.where, found.path) == ("bindings", f"the service binding {folder}", "")
    db = resolver.datastore("db")
    assert (db.options, db["certificate"], db["key"]) == (
        {"ca": str(folder / "ca.crt")},
        str(folder / "tls.crt"),
        str(folder / "tls.key"),
    )
    with pytest.raises(architect.ConfigError) as caught:
        resolver.datastore("bad")
    assert str(caught.value) == f"the service binding {folder.parent / 'bad'}: port: a port is a number from 1 to 65535"


def test_the_plugin_s_source_is_the_class_that_a_program_can_use():
    assert Plugins().get(Source, "bindings", "the test") == BindingSource()
