"""`architect env` shows what is resolved and from which source, and no secret unless it is requested."""

from __future__ import annotations

import json
import re
import shlex
import socket

import pytest

from architect_core.contract import mask_url

SECRET = "s3cret-canary"
SERVICES = {
    "acme/billing": {"host": f"http://ada:{SECRET}@billing/v1", "port": 8080, "api": "rest", "token": SECRET},
    "acme/payments": {"api": "grpc", "instances": [{"host": "p0", "port": 1}, {"host": "p1", "port": 2}]},
    "acme/shop": {
        "api": None,
        "datastores": {
            "primary_db": {
                "type": "postgres", "host": "db", "port": 5432, "username": "app", "password": SECRET, "name": "shop"
            },
            "cache": {"url": f"redis://:{SECRET}@cache:6379/0"},
        },
        "subscriptions": {"placed": {"acme/billing": {"uri": "/event", "headers": {"x-token": SECRET}}}},
    },
}  # fmt: skip
ENVIRON = {
    "ARCHITECT": json.dumps(SERVICES),
    "ARCHITECT_CURRENT_SERVICE": "acme/shop",
    "BILLING_URL": f"http://other:{SECRET}@elsewhere:1",
    "OTHER_URL": "http://other:2",
}


def env(system, *arguments, **more):
    return system.succeeds("env", *arguments, environ=ENVIRON | more)


def test_it_shows_what_is_used_from_where_and_what_that_overrides(system):
    printed = env(system)
    assert printed.splitlines() == [
        "running service: acme/shop",
        "",
        "services:",
        "  acme/billing  rest http://ada:***@billing:8080/v1",
        "    from environment: the environment variable ARCHITECT",
        "    overrides urls: the environment variable BILLING_URL",
        "  acme/payments  grpc p0:1 and 1 more",
        "    from environment: the environment variable ARCHITECT",
        "  acme/shop  ",
        "    from environment: the environment variable ARCHITECT",
        "",
        "datastores:",
        "  cache  redis://:***@cache:6379/0",
        "    from environment: the environment variable ARCHITECT",
        "  primary_db  postgres db:5432 as app",
        "    from environment: the environment variable ARCHITECT",
    ]


def test_one_name_alone_may_be_one_that_no_source_lists(system):
    printed = env(system, "acme/other")
    assert "acme/other  rest http://other:2\n    from urls: the environment variable OTHER_URL" in printed
    assert "datastores" not in printed
    assert "services" not in env(system, "primary_db")
    for wrong, meant in (("acme/billig", "acme/billing"), ("primary-db", "primary_db")):
        said = f"no service or datastore named '{wrong}' (did you mean '{meant}'?); known: "
        assert said in system.fails("env", wrong, environ=ENVIRON)


def test_a_platform_s_own_name_for_what_is_there_is_not_shown_beside_it(system, tmp_path):
    root = system.service("shop/web", dependencies={"shop/api": "1.0"}, datastores={"primary_db": {"type": "postgres"}})
    (tmp_path / "bindings" / "billing").mkdir(parents=True)
    (tmp_path / "bindings" / "billing" / "type").write_text("http")
    (tmp_path / "bindings" / "billing" / "host").write_text("bound")
    environ = {
        "services__api__http__0": "http://api:1",
        "services__other-api__http__0": "http://other:1",
        "ConnectionStrings__primary-db": "Host=db;Username=app;Password=s3cret",
        "SERVICE_BINDING_ROOT": str(tmp_path / "bindings"),
        "ARCHITECT": json.dumps({"acme/billing": {"host": "http://billing", "port": 1, "api": "rest"}}),
    }
    printed = json.loads(system.architect("env", "--json", cwd=root, environ=environ).stdout)
    assert list(printed["services"]) == ["acme/billing", "other-api", "shop/api"]
    assert [each["source"] for each in printed["services"]["acme/billing"]["overrides"]] == ["bindings"]
    assert list(printed["datastores"]) == ["primary_db"]


def test_dependencies_of_the_manifest_are_shown_too(system):
    root = system.service("acme/shop", dependencies={"acme/other": "1.0"})
    done = system.architect("env", cwd=root, environ=ENVIRON)
    assert "acme/other  rest http://other:2" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"], ["acme/billing"], ["acme/billing", "--json"], ["primary_db"]])
def test_no_secret_is_shown_unless_it_is_requested(system, arguments):
    assert SECRET not in env(system, *arguments)


def test_json_has_the_entry_its_source_and_what_it_overrides(system):
    answer = json.loads(env(system, "acme/billing", "--json"))
    assert answer["current_service"] == "acme/shop"
    assert answer["services"]["acme/billing"] == {
        "entry": {"host": "http://ada:***@billing/v1", "port": 8080, "api": "rest", "token": "***"},
        "source": "environment",
        "where": "the environment variable ARCHITECT",
        "overrides": [{"source": "urls", "where": "the environment variable BILLING_URL"}],
    }
    printed = json.loads(env(system, "--json", "--show-secrets"))
    assert printed["datastores"]["primary_db"]["entry"]["password"] == SECRET


def exported(system, dialect, *arguments):
    """The variables that a shell would set of what was written."""
    lines = env(system, "--export", dialect, "--show-secrets", *arguments).splitlines()
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def resolved(system, **environ):
    """What `architect env` says in an environment: the URL or host of every name, with its secrets."""
    done = system.architect("env", "--json", "--show-secrets", environ=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_exported_as_architect_resolves_to_the_same(system):
    before = resolved(system, **ENVIRON)
    after = resolved(system, **exported(system, "ARCHITECT"))
    assert {name: each["entry"] for name, each in after["services"].items()} == {
        name: each["entry"] for name, each in before["services"].items()
    }
    assert after["datastores"]["primary_db"]["entry"] == before["datastores"]["primary_db"]["entry"]


def test_an_export_without_secrets_points_to_variables_that_hold_them(system):
    done = system.architect("env", "--export", "ARCHITECT", environ=ENVIRON)
    assert SECRET not in done.stdout + done.stderr
    variables = dict(shlex.split(line)[0].split("=", 1) for line in done.stdout.splitlines())
    wanted = set(re.findall(r'\{"\$env": "(\w+)"\}', variables["ARCHITECT"]))
    assert {"PRIMARY_DB_PASSWORD", "CACHE_URL", "ACME_BILLING_HOST", "ACME_BILLING_TOKEN"} <= wanted
    assert set(re.findall(r"[A-Z_]{6,}", done.stderr)) - {"ARCHITECT"} == wanted
    values = dict.fromkeys(wanted, "x") | {"CACHE_URL": "redis://:x@cache", "ACME_BILLING_HOST": "http://billing"}
    values |= {name: "/event" for name in wanted if name.endswith("_URI")}
    assert resolved(system, **variables, **values)["datastores"]["primary_db"]["entry"]["password"] == "x"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--show-secrets"],
        ["--folder", "x"],
        ["--export", "bindings"],
        ["--json", "--export", "aspire"],
        ["--export", "x"],
    ],
)
def test_options_that_make_no_sense_together_are_refused(system, arguments):
    done = system.architect("env", *arguments, environ=ENVIRON)
    assert (done.returncode, "Usage:" in done.stderr) == (2, True)


def test_a_malformed_environment_is_reported_in_a_sentence(system):
    printed = system.fails("env", environ={"ARCHITECT": '{"a": {"port": "%s"}}' % SECRET})  # noqa: UP031 - braces
    assert printed == "architect: the environment variable ARCHITECT: a.port: a port is a number from 1 to 65535\n"


def test_no_server_is_queried_for_what_a_source_above_overrides(system):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{server.getsockname()[1]}"
        printed = system.architect(
            "env", environ={**ENVIRON, "ARCHITECT_DNS": "example.test", "ARCHITECT_DNS_SERVER": place}
        ).stdout
        assert "acme/billing  rest" in printed
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(512)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("billing", "billing"),
        ("http://billing:8080/v1", "http://billing:8080/v1"),
        ("http://u:p@billing", "http://u:***@billing"),
        ("redis://:p@cache/0", "redis://:***@cache/0"),
        ("postgresql://u:p@a:1,b:2/x?password=p", "postgresql://u:***@a:1,b:2/x?***"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("::1", "::1"),
        ("postgresql://u:p@h:s3cret/x", "***"),
        ("postgresql://u:p@ss@h/x", "***"),
        ("Host=db;Password=p", "***"),
        ("s3cret#p", "***"),
        ("https://s3cret@host", "https://***@host"),
        ("https://s3cret:@host", "https://***@host"),
        ("postgresql://h/n;password=s3cret", "***"),
        ("https://u:1234/s3cret@host", "***"),
        ("/hook?token=s3cret", "/hook?***"),
    ],
)
def test_of_a_url_only_what_holds_no_secret_is_shown(place, shown):
    assert mask_url(place) == shown


ODD = {
    "a": {
        "host": f"https://u:1234/{SECRET}@h",
        "api": "rest",
        "pin": 424242,
        "options": {"pool": {"name": SECRET}},
        "uri": f"postgres://u:{SECRET}@h/d",
        "username": {"token": SECRET},
    },
    "b": {
        "host": f"https://{SECRET}@h",
        "api": "rest",
        "instances": [{"host": f"http://{SECRET}@i", "name": [SECRET]}],
    },
}


@pytest.mark.parametrize(
    "arguments", [[], ["--json"], ["--export", "ARCHITECT"], ["--export", "aspire"], ["--export", "compose"]]
)
def test_no_secret_is_shown_in_odd_fields(system, arguments):
    done = system.architect("env", *arguments, environ={"ARCHITECT": json.dumps(ODD)})
    assert SECRET not in done.stdout + done.stderr
    assert "424242" not in done.stdout


def test_what_a_terminal_would_obey_is_escaped_so_that_no_entry_writes_lines_of_its_own(system):
    db = {"type": "postgres", "host": "h", "username": "a\x1b[31mRED\nfake line\x9b", "password": "p"}
    folder = system.folder / "bindings\n  forged  rest h"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "uri").write_text("http://h/\x1b[2J")
    environ = {
        "ARCHITECT": json.dumps({"a": {"api": None, "datastores": {"db": db}}}),
        "ARCHITECT_CURRENT_SERVICE": "a",
        "SERVICE_BINDING_ROOT": str(folder),
    }
    printed = system.succeeds("env", environ=environ)
    assert r"  db  postgres h as a\x1b[31mRED\nfake line\x9b" in printed.splitlines()
    assert r"bindings\n  forged  rest h/b" in printed
    assert all(line.isprintable() for line in printed.splitlines())


def test_two_datastores_of_one_name_point_to_variables_of_their_own(system):
    services = {
        name: {"api": None, "datastores": {"db": {"type": "postgres", "host": "h", "password": SECRET}}}
        for name in ("acme/a", "acme/b")
    }
    done = system.architect("env", "--export", "ARCHITECT", environ={"ARCHITECT": json.dumps(services)})
    assert set(re.findall(r'"\$env": "(\w+)"', done.stdout)) == {
        "ACME_A_DATASTORES_DB_PASSWORD",
        "ACME_B_DATASTORES_DB_PASSWORD",
    }


def test_an_error_in_an_overridden_source_is_ignored(system):
    environ = {"ARCHITECT": json.dumps({"acme/b": {"host": "h", "api": "rest"}}), "B_URL": "http://bad host"}
    assert "acme/b  rest h" in system.succeeds("env", environ=environ)


BROKEN = {"VCAP_SERVICES": f'{{"{SECRET}'}
LISTED = {"ARCHITECT": json.dumps({"acme/billing": {"host": "h", "api": "rest"}})}


def shown_and_reported(system, *arguments, **environ):
    """What was printed, and the sentences on the standard error, of a command that shows and fails."""
    done = system.architect("env", *arguments, environ=environ)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert SECRET not in done.stdout + done.stderr
    return done.stdout, done.stderr.splitlines()


def test_a_malformed_source_is_reported_once_and_the_others_are_shown(system):
    shown, printed = shown_and_reported(system, **LISTED, **BROKEN, services__x__http__0="http://x")
    assert "  acme/billing  rest h\n" in shown
    assert "  x  rest http://x\n" in shown
    assert len(printed) == 1
    assert printed[0].startswith("architect: the environment variable VCAP_SERVICES: is not JSON")


def test_an_entry_that_only_a_source_below_a_malformed_one_has_is_not_shown_because_no_program_would_get_it(system):
    root = system.service("acme/shop", dependencies={"acme/other": "1.0"})
    (root / "architect.local.json").write_text(json.dumps({"acme/local": {"host": "l", "api": "rest"}}))
    environ = {
        **LISTED,
        **BROKEN,
        "ARCHITECT_LOCAL": "1",
        "OTHER_URL": "http://other",
        "ARCHITECT_CURRENT_SERVICE": "s",
    }
    done = system.architect("env", cwd=root, environ=environ)
    assert done.returncode == 1
    assert "acme/billing" in done.stdout
    assert "acme/local" not in done.stdout
    assert "acme/other" not in done.stdout


def test_a_malformed_entry_is_reported_and_the_others_are_shown(system):
    shown, printed = shown_and_reported(
        system, **LISTED, services__x__http__0=f"http://bad {SECRET}", services__y__http__0="http://y"
    )
    assert "  y  rest http://y\n" in shown
    assert "  x  " not in shown
    assert printed == ["architect: the environment variable services__x__http__0: host: a host has no spaces and no "
                    "control characters"]  # fmt: skip


def test_json_and_exports_of_what_a_malformed_source_leaves_end_with_1_too(system):
    shown, printed = shown_and_reported(system, "--json", **LISTED, **BROKEN)
    assert json.loads(shown)["services"].keys() == {"acme/billing"}
    shown, printed = shown_and_reported(system, "--export", "aspire", **LISTED, **BROKEN)
    assert (shown, len(printed)) == ("services__acme-billing__http__0=http://h\n", 1)


def test_one_name_alone_is_shown_whatever_is_malformed_below_it(system):
    environ = {**LISTED, **BROKEN}
    assert "acme/billing  rest h" in system.succeeds("env", "acme/billing", environ=environ)
    assert "VCAP_SERVICES: is not JSON" in system.fails("env", "acme/other", environ=environ)


def test_a_name_that_is_the_end_of_another_is_shown_unless_it_is_a_platform_s_spelling(system):
    services = {name: {"host": name[-1], "port": 1, "api": "rest"} for name in ("acme/billing", "billing")}
    answer = json.loads(system.succeeds("env", "--json", environ={"ARCHITECT": json.dumps(services)}))
    assert list(answer["services"]) == ["acme/billing", "billing"]
    del services["billing"]
    variables = {"ARCHITECT": json.dumps(services), "services__billing__http__0": "http://b"}
    answer = json.loads(system.succeeds("env", "--json", environ=variables))
    assert list(answer["services"]) == ["acme/billing"]


def test_two_bindings_whose_names_differ_only_in_their_marks_are_both_listed(system):
    for name in ("a-b-c", "a_b-c"):
        folder = system.folder / "bound" / name
        folder.mkdir(parents=True)
        (folder / "type").write_text("rest")
        (folder / "uri").write_text(f"http://{name.replace('_', 'x')}")
    variables = {"SERVICE_BINDING_ROOT": str(system.folder / "bound")}
    answer = json.loads(system.succeeds("env", "--json", environ=variables))
    assert list(answer["services"]) == ["a-b-c", "a_b-c"]
