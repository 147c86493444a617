"""`architect env --export` writes what a platform's source reads back as the same, and reports what it omits."""

from __future__ import annotations

import doctest
import json
import shlex
import subprocess
from importlib.metadata import EntryPoints
from pathlib import Path

import pytest

import architect_cli.dialects.architect
import architect_cli.dialects.urls
from architect_core.plugins import loading

SECRET = "s3cret-canary"
NEST = """
from architect_core.contract import hookimpl
from architect_datastore.kit import NetworkParser

ARCHITECT_CONTRACT = 2

@hookimpl
def architect_credential_parser():
    return NetworkParser("nest", 4150, schemes={"nest": "nest"})
"""
HERON = """
from architect_core.contract import Configuration, Exported, Exporter, Form, Source, hookimpl
from architect_core.schema import parse_services

ARCHITECT_CONTRACT = 2

class HeronSource(Source):
    def __init__(self, values):
        self.values = values

    def load(self):
        services = {name: {"host": url, "api": "rest"} for name, url in self.values.items()}
        return Configuration(parse_services(services, "heron"), None, "heron")

    def exporter(self):
        return HeronExporter()

class HeronExporter(Exporter):
    needs_folder = True

    def holder(self, target):
        return target.name

    def forms(self, target):
        if target.name == "broken":
            raise KeyError(target.urls[0])
        return [Form({target.name: url}, HeronSource({target.name: url})) for url in target.urls[:1]]

    def export(self, forms, folder, *, secrets):
        values = {name: url for form in forms for name, url in form.values.items()}
        return Exported(folder.name, ["a note"] if secrets else [], values)

@hookimpl
def architect_source():
    return HeronSource({})
"""
SERVICES = {
    "acme/billing": {"host": f"http://ada:{SECRET}@billing/v1", "port": 8080, "api": "rest"},
    "acme/pay_api": {"api": "grpc", "instances": [{"host": "p0", "port": 1}, {"host": "p1", "port": 2}]},
}
DATASTORES = {
    "primary_db": {"type": "nest", "host": "db", "username": "app", "password": SECRET, "name": "shop"},
    "cache": {"type": "nest", "url": f"nest://:{SECRET}@cache:6379/0"},
}


@pytest.fixture
def nest(system):
    system.plugin("nest", NEST)
    return system


def environ(services=None, datastores=None):
    entries = {"acme/shop": {"api": None, "datastores": datastores or {}}, **(services or {})}
    return {"ARCHITECT": json.dumps(entries), "ARCHITECT_CURRENT_SERVICE": "acme/shop"}


def export(system, dialect, *arguments, code=0, services=None, datastores=None):
    """What was printed, and the sentences beside it."""
    folder = ["--folder", "out"] if dialect == "bindings" else []
    done = system.architect("env", "--export", dialect, *folder, *arguments, environ=environ(services, datastores))
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert all(line.startswith("architect: ") for line in done.stderr.splitlines())
    return done.stdout.splitlines(), [line.removeprefix("architect: ") for line in done.stderr.splitlines()]


def resolved(system, **variables):
    return json.loads(system.succeeds("env", "--json", "--show-secrets", environ=variables))


def test_what_is_exported_for_aspire_has_its_names_and_is_read_as_the_same(nest):
    lines, notes = export(nest, "aspire", "--show-secrets", services=SERVICES, datastores=DATASTORES)
    variables = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert variables == {
        "services__acme-billing__http__0": f"http://ada:{SECRET}@billing:8080/v1",
        "services__acme-pay-api__grpc__0": "http://p0:1",
        "services__acme-pay-api__grpc__1": "http://p1:2",
        "ConnectionStrings__primary-db": f"nest://app:{SECRET}@db:4150/shop",
        "ConnectionStrings__cache": f"nest://:{SECRET}@cache:6379/0",
    }
    assert notes == []
    entry = resolved(nest, **variables)["services"]["acme-pay-api"]["entry"]
    assert (entry["api"], len(entry["instances"])) == ("grpc", 2)


def test_what_is_exported_for_aspire_runs_nothing_in_a_shell_that_reads_it(nest):
    hosts = {"billing": "http://h/$(touch${IFS}ran)", "pay": "http://h/`touch${IFS}ran`;touch${IFS}ran"}
    services = {name: {"host": host, "port": 80, "api": "rest"} for name, host in hosts.items()}
    db = {"type": "nest", "url": "nest://u:'p@h/x?b=1&a='$HOME;'"}
    lines, _ = export(nest, "aspire", "--show-secrets", services=services, datastores={"db": db})
    (nest.folder / "s.env").write_text("\n".join(lines))
    names = ("services__billing__http__0", "services__pay__http__0", "ConnectionStrings__db")
    script = "set -ea; . ./s.env; printenv " + "; printenv ".join(names)
    read = subprocess.run(["sh", "-c", script], cwd=nest.folder, capture_output=True, text=True, check=True)
    assert read.stdout.splitlines() == [
        "http://h:80/$(touch${IFS}ran)",
        "http://h:80/`touch${IFS}ran`;touch${IFS}ran",
        "nest://u:%27p@h:4150/x?b=1&a=%27%24HOME%3B%27",
    ]
    assert not (nest.folder / "ran").exists()
    # Compose ends a text between quotes where a shell goes on
    assert all(line.count("'") in {0, 2} for line in lines)


def test_a_value_that_compose_and_a_shell_would_read_differently_is_omitted_and_reported(system):
    services = {"billing": {"host": "http://h/o'neill", "port": 80, "api": "rest"}}
    assert export(system, "aspire", code=1, services=services) == (
        [""],
        [
            "the service 'billing' is omitted: aspire cannot express it so that it is read back as the same (host). "
            "Export it as ARCHITECT"
        ],
    )


def test_what_is_exported_as_bindings_has_the_specification_s_keys_and_is_for_its_owner_alone(nest):
    lines, _ = export(nest, "bindings", "--show-secrets", services=SERVICES, datastores=DATASTORES)
    files = {str(file.relative_to(nest.folder / "out")): file for file in (nest.folder / "out").rglob("*/*")}
    assert {name: file.read_text() for name, file in files.items() if name.startswith("primary-db/")} == {
        "primary-db/type": "nest",
        "primary-db/host": "db",
        "primary-db/port": "4150",
        "primary-db/uri": f"nest://app:{SECRET}@db:4150/shop",
        "primary-db/username": "app",
        "primary-db/password": SECRET,
        "primary-db/database": "shop",
    }
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o600}
    answer = resolved(nest, **dict(shlex.split(line)[0].split("=", 1) for line in lines))
    assert answer["services"]["acme-pay-api"]["entry"]["api"] == "grpc"
    again = ("env", "--export", "bindings", "--folder", "out")
    assert "already exists. Name another with --folder" in nest.fails(*again, environ=environ(SERVICES))


def test_a_compose_file_takes_secrets_from_its_own_variables(nest):
    odd = {
        "token": {"type": "nest", "url": "nest://t0ken@h/"},
        "long": {"type": "nest", "host": "h", "options": {}, "name": "$x"},
    }
    services = {**SERVICES, "2fa": {"host": f"http://u:{SECRET}@t", "port": 1, "api": "rest"}}
    services |= {"3d": {"host": f"http://{SECRET}@t", "port": 1, "api": "rest"}}
    lines, notes = export(nest, "compose", services=services, datastores={**DATASTORES, **odd})
    assert lines == [
        "environment:",
        '  2FA_URL: "http://u:${_2FA_PASSWORD:?}@t:1"',
        '  3D_URL: "${_3D_URL:?}"',
        '  ACME_BILLING_URL: "http://ada:${ACME_BILLING_PASSWORD:?}@billing:8080/v1"',
        '  ACME_PAY_API_URL: "grpc://p0:1"',
        '  CACHE_URL: "nest://:${CACHE_PASSWORD:?}@cache:6379/0"',
        '  LONG_URL: "nest://h:4150/%24x"',
        '  PRIMARY_DB_URL: "nest://app:${PRIMARY_DB_PASSWORD:?}@db:4150/shop"',
        '  TOKEN_URL: "${TOKEN_URL:?}"',
    ]
    assert notes[1:] == [
        "secrets are omitted: set _2FA_PASSWORD, _3D_URL, ACME_BILLING_PASSWORD, CACHE_PASSWORD, "
        "PRIMARY_DB_PASSWORD, TOKEN_URL where Compose runs, percent-encoded as in a URL; --show-secrets writes them"
    ]


@pytest.mark.parametrize("dialect", ["ARCHITECT", "aspire", "compose", "bindings"])
def test_no_secret_is_shown_unless_it_is_requested(nest, dialect):
    more = {"acme/token": {"host": "t", "port": 1, "api": "rest", "token": SECRET}}
    lines, notes = export(nest, dialect, services={**SERVICES, **more}, datastores=DATASTORES)
    written = [file.read_text() for file in (nest.folder / "out").rglob("*/*")]
    assert SECRET not in "".join([*lines, *notes, *written])


def test_architect_without_secrets_names_the_variables_to_set_and_a_shell_can_set_them(system):
    services = {"2fa": {"host": "http://t", "port": 1, "api": "rest", "token": SECRET}}
    lines, notes = export(system, "ARCHITECT", services=services)
    assert notes == ["secrets are omitted: set _2FA_TOKEN beside ARCHITECT; --show-secrets writes them"]
    variables = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert resolved(system, **variables, _2FA_TOKEN="t")["services"]["2fa"]["entry"] == services["2fa"] | {"token": "t"}
    assert export(system, "ARCHITECT", "--show-secrets", services=services)[1] == []


def test_omitted_secrets_are_reported(nest):
    _, notes = export(nest, "aspire", datastores={"cache": DATASTORES["cache"]})
    assert notes == ["secrets are masked in ConnectionStrings__cache; --show-secrets writes them"]
    _, notes = export(nest, "bindings", datastores={"cache": DATASTORES["cache"]})
    assert notes == ["files with secrets are omitted: cache/password, cache/uri; --show-secrets writes them"]
    assert sorted(file.name for file in (nest.folder / "out" / "cache").iterdir()) == [
        "database",
        "host",
        "port",
        "type",
    ]


@pytest.mark.parametrize(("dialect", "holder"), [("aspire", "services__acme-a-b"), ("compose", "ACME_A_B_URL"),
                                                 ("bindings", "the folder acme-a-b")])  # fmt: skip
def test_two_names_that_would_share_a_variable_or_folder_are_an_error_that_names_both(system, dialect, holder):
    services = {name: {"host": name[-1], "port": 1, "api": "rest"} for name in ("acme/a-b", "acme/a_b")}
    lines, notes = export(system, dialect, "--show-secrets", code=1, services=services)
    assert lines == []
    assert notes == [
        f"the service 'acme/a-b' and the service 'acme/a_b' would both be {holder}. "
        "Rename one of them, or export them as ARCHITECT"
    ]
    assert not (system.folder / "out").exists()


def test_a_service_and_a_datastore_of_one_name_share_a_variable_of_compose_and_none_of_aspire(nest):
    both = {"services": {"cache": {"host": "c", "port": 1, "api": "rest"}}, "datastores": DATASTORES}
    _, notes = export(nest, "compose", code=1, **both)
    assert "the service 'cache' and the datastore 'cache' would both be CACHE_URL" in notes[0]
    lines, _ = export(nest, "aspire", "--show-secrets", **both)
    assert len(lines) == 3


@pytest.mark.parametrize("dialect", ["compose", "bindings"])
def test_omitted_instances_are_reported_if_the_platform_knows_only_one(system, dialect):
    _, notes = export(system, dialect, services={"acme/pay_api": SERVICES["acme/pay_api"]})
    assert notes == [f"the service 'acme/pay_api': {dialect} cannot express instances but the first; omitted"]


def test_the_parts_of_an_entry_that_a_url_cannot_express_are_named(nest):
    entry = {"host": "b", "port": 1, "api": "rest", "token": SECRET, "options": {"read_timeout": 3}, f"{SECRET} ?": 1}
    db = {"type": "nest", "host": "h", "NEST_USER": SECRET}
    _, notes = export(nest, "compose", "--show-secrets", services={"acme/b": entry}, datastores={"db": db})
    assert notes == [
        "the service 'acme/b': compose cannot express options, token, <key that is no name>; omitted",
        "the datastore 'db': compose cannot express NEST_USER; omitted",
    ]


def test_omitted_subscriptions_of_a_running_service_without_a_host_are_reported(system):
    subscribed = {"placed": {"acme/b": {"headers": {"x-token": SECRET}}}}
    services = {"acme/b": {"host": "b", "port": 1, "api": "rest"}, "acme/shop": {"subscriptions": subscribed}}
    lines, notes = export(system, "aspire", services=services)
    assert lines == ["services__acme-b__http__0=http://b:1"]
    assert notes == ["the service 'acme/shop': aspire cannot express subscriptions; omitted"]


def test_further_texts_are_files_of_a_binding_but_those_that_would_mean_something_else(nest):
    db = {"type": "nest", "host": "h", "NEST_USER": "u\r\n", "user": "other", "../../escaped": "x", "pool": 3}
    lines, notes = export(nest, "bindings", "--show-secrets", datastores={"db": db})
    assert notes == ["the datastore 'db': bindings cannot express user, <key that is no name>, pool; omitted"]
    assert not list(nest.folder.parent.rglob("escaped"))
    entry = resolved(nest, **dict(shlex.split(line)[0].split("=", 1) for line in lines))["datastores"]["db"]["entry"]
    assert entry["NEST_USER"] == "u\r\n"
    assert entry["username"] == "other"  # which its driver calls `user`


def test_a_service_s_files_of_tls_are_files_of_its_binding_if_these_are_all_that_its_options_say(system, tmp_path):
    names = {"ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}
    for option in names:
        (tmp_path / option).write_text(f"{option} in PEM\n")
    tls = {option: str(tmp_path / option) for option in names}
    entry = {"host": "https://b", "port": 1, "api": "rest"}
    services = {
        "secure": {**entry, "options": {"tls": tls}},
        "named": {**entry, "options": {"tls": {**tls, "server_name": "n"}}},
        "patient": {**entry, "options": {"tls": tls, "read_timeout": 3}},
        "wrong": {**entry, "options": {"tls": "yes"}},
    }
    lines, notes = export(system, "bindings", "--show-secrets", services=services)
    assert notes == [
        f"the service '{name}': bindings cannot express options; omitted" for name in ("named", "patient", "wrong")
    ]
    read = resolved(system, **dict(shlex.split(line)[0].split("=", 1) for line in lines))["services"]
    files = read["secure"]["entry"]["options"]["tls"]
    assert {option: Path(path).name for option, path in files.items()} == names
    assert [Path(files[option]).read_text().strip() for option in names] == [f"{option} in PEM" for option in names]
    assert "options" not in read["named"]["entry"]


def test_a_user_without_a_password_may_be_a_token_and_is_omitted_from_a_binding(nest):
    _, notes = export(nest, "bindings", datastores={"db": {"type": "nest", "host": "h", "username": SECRET}})
    assert notes == ["files with secrets are omitted: db/username, db/uri; --show-secrets writes them"]


def test_what_is_exported_as_architect_has_no_quotes_that_readers_take_differently(system):
    services = {"acme/b": {"host": "http://b/o'neill", "port": 1, "api": "rest"}}
    lines, _ = export(system, "ARCHITECT", services=services)
    assert lines[0].count("'") == 2
    assert json.loads(shlex.split(lines[0])[0].partition("=")[2])["acme/b"] == services["acme/b"]


@pytest.mark.parametrize("dialect", ["aspire", "compose", "bindings"])
def test_a_service_that_would_be_read_as_another_is_omitted_and_reported(system, dialect):
    services = {
        "acme/owl": {"host": "ftp://owl", "api": "my_owl"},
        "acme/socket": {"host": "unix:/run/grpc.sock", "api": "grpc"},
        "acme/rest": {"host": "r", "port": 1, "api": "rest"},
    }
    lines, notes = export(system, dialect, "--show-secrets", code=1, services=services)
    assert lines
    if dialect != "bindings":  # whose file `api` says any
        assert notes.pop(0) == (
            f"the service 'acme/owl' is omitted: {dialect} cannot express it so that it is read back as the same "
            "(api). Export it as ARCHITECT"
        )
    assert notes == [
        f"the service 'acme/socket' is omitted: {dialect} cannot express an address that is no URL. "
        "Export it as ARCHITECT"
    ]


@pytest.mark.parametrize("arguments", [[], ["--show-secrets"]])
def test_data_that_would_be_read_as_a_pointer_is_omitted_from_architect_and_reported(system, arguments):
    credentials = {
        "uri": "https://b",
        "token": {"$env": "NOT_SET"},
        "more": [{"$file": "/etc/hostname"}, {"also": {"$env": 1}}, {"$env": "a", "kept": 1}],
    }
    bound = {"user-provided": [{"name": "billing", "credentials": credentials}]}
    done = system.architect("env", "--export", "ARCHITECT", *arguments, environ={"VCAP_SERVICES": json.dumps(bound)})
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        0,
        "architect: the service 'billing': ARCHITECT cannot express token, more[0], more[1].also, which would be "
        "read as pointers to values; omitted",
    )
    entry = json.loads(shlex.split(done.stdout)[0].removeprefix("ARCHITECT="))["billing"]
    assert (entry["host"], "token" in entry, entry["more"][0]) == ("https://b", False, {})
    assert len(entry["more"]) == 2


def test_datastores_without_a_running_service_go_to_a_service_with_a_new_name(nest):
    variables = {"ConnectionStrings__db": "nest://u@h/x", "services__application__http__0": "http://app:1"}
    done = nest.architect("env", "--export", "ARCHITECT", "--show-secrets", environ=variables)
    exported = dict(line.split("=", 1) for line in shlex.split(done.stdout))
    assert exported["ARCHITECT_CURRENT_SERVICE"] == "application-1"
    services = json.loads(exported["ARCHITECT"])
    assert services["application"] == {"api": "rest", "host": "http://app:1"}
    assert services["application-1"]["datastores"].keys() == {"db"}
    del variables["services__application__http__0"]
    done = nest.architect("env", "--export", "ARCHITECT", environ=variables)
    assert done.stdout.endswith("\nARCHITECT_CURRENT_SERVICE=application\n")


def test_a_datastore_whose_plugin_is_missing_is_reported_and_the_others_are_exported(nest):
    datastores = {**DATASTORES, "birds": {"type": "kestrel", "host": "h", "password": SECRET}}
    lines, notes = export(nest, "aspire", code=1, datastores=datastores)
    assert len(lines) == 2
    assert notes[-1].startswith("datastore 'birds': no installed plugin serves 'kestrel'")
    assert "install the package whose entry point" in notes[-1]
    assert "birds" in "".join(export(nest, "ARCHITECT", datastores=datastores)[0])


def test_the_source_of_a_third_party_exports_in_its_own_form_and_is_read_back_too(system):
    system.plugin("heron", HERON)
    services = {"acme/billing": SERVICES["acme/billing"], "acme/pay_api": SERVICES["acme/pay_api"]}
    arguments = ("env", "--export", "heron", "--folder", "out")
    done = system.architect(*arguments, "--show-secrets", environ=environ(services))
    assert (done.returncode, done.stdout) == (1, "out\n")
    assert done.stderr.splitlines() == [
        "architect: a note",
        "architect: the service 'acme/pay_api' is omitted: heron cannot express it so that it is read back as the "
        "same (api). Export it as ARCHITECT",
    ]
    assert (system.folder / "out" / "acme" / "billing").read_text() == f"http://ada:{SECRET}@billing:8080/v1"
    missing = system.architect("env", "--export", "heron")
    assert missing.stderr.endswith("--folder goes with --export heron, which needs it\n")
    broken = {"broken": {"host": f"http://u:{SECRET}@h", "port": 1, "api": "rest"}}
    message = system.fails("env", "--export", "heron", "--folder", "other", environ=environ(broken))
    assert message == (
        "architect: architect env --export heron: the plugin 'heron' of architect-heron 1.2.3 failed with a KeyError\n"
    )


def test_a_plugin_that_exports_nothing_is_named(system):
    system.plugin("heron", HERON.replace("return HeronExporter()", "return None"))
    message = system.fails("env", "--export", "heron")
    assert message.endswith("env --export heron: the plugin 'heron' of architect-heron 1.2.3 exports nothing\n")


@pytest.mark.parametrize("dialect", ["aspire", "compose", "bindings"])
def test_a_platform_whose_package_is_missing_is_an_error_with_the_line_that_installs_it(system, monkeypatch, dialect):
    others = EntryPoints(each for each in loading.installed() if not each.module.startswith("architect_sources"))
    monkeypatch.setattr(loading, "entry_points", lambda group: others)
    _, notes = export(system, dialect, code=1)
    source = "urls" if dialect == "compose" else dialect
    assert notes[0].startswith(f"architect env --export {dialect}: no installed plugin serves {source!r}")
    assert notes[0].endswith("pip install architect-sources")


def test_the_examples_of_urls_and_of_variables_are_right():
    assert doctest.testmod(architect_cli.dialects.urls) == (0, 1)
    assert doctest.testmod(architect_cli.dialects.architect) == (0, 1)


def test_a_datastore_that_cannot_be_resolved_still_has_its_variable(nest):
    datastores = {"x-1": {"type": "nest", "host": "h", "options": {"nosuch": 1}}, "x_1": {"type": "nest", "host": "h"}}
    lines, notes = export(nest, "aspire", code=1, datastores=datastores)
    assert lines == []
    assert "the datastore 'x-1' and the datastore 'x_1' would both be ConnectionStrings__x-1" in notes[0]


def test_a_part_of_an_entry_is_reported_although_it_has_the_name_of_what_is_kept(nest, system):
    entry = {"host": "h", "port": 1, "api": "rest", "weight": "7", "instances": [{"host": "h", "port": 1, "weight": 3}]}
    _, notes = export(system, "bindings", "--show-secrets", services={"a": entry})
    assert notes == ["the service 'a': bindings cannot express the instances' weights; omitted"]


def test_files_of_a_service_that_hold_no_secret_are_written_without_show_secrets(system):
    entry = {"host": "b", "port": 80, "api": "rest", "kind": "K", "image": "I"}
    export(system, "bindings", services={"acme/b": entry})
    folder = system.folder / "out" / "acme-b"
    assert [(folder / name).read_text() for name in ("kind", "image")] == ["K", "I"]
