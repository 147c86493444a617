"""What `architect run` and `install` make of manifests and files of the original platform: values, names, folders."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_system import MEMORY_PROVISIONER, SCRIPT, TOY_GENERATOR, free_port

from architect_cli.output.masking import secrets_of
from architect_cli.planning.overrides import ConfigFile, read_config
from architect_cli.planning.plan import Plan
from architect_cli.planning.ports import choose_ports
from architect_cli.planning.tree import load_tree
from architect_cli.planning.variables import read_variables
from architect_core.exceptions import ConfigError, ManifestError


def plan(root: Path, config: str | None = None, environ: Mapping[str, str] | None = None) -> Plan:
    """What a run of the service would start, without starting it."""
    file = read_config(Path(config), environ) if config else ConfigFile()
    nodes = load_tree(root, folder_of=file.folder_of)
    return Plan(nodes, file.overrides(nodes), nodes[-1:], environ or {})


def test_an_unknown_key_is_a_warning_on_the_standard_error_once_and_an_error_with_strict(system):
    root = system.service("a/root", SCRIPT, start="npm start", dependencies={"a/base": "file:../base"})
    base = system.server("a/base", api={"type": "rest", "proto": "x"})
    config = system.overrides({"a/root": {"parameter": {}}})
    expected = [
        f"{base}/architect.json: api.proto: unknown key (did you mean 'definitions'?)",
        f"{root}/architect.json: start: unknown key (did you mean 'debug'?)",
        f"{config}: services.a/root.parameter: unknown key (did you mean 'parameters'?)",
    ]
    done = system.architect("run", root, "--config", config)
    assert done.returncode == 0
    assert done.stderr == "".join(f"architect: warning: {each}\n" for each in expected)
    done = system.architect("install", "-p", root)
    assert (done.returncode, done.stderr) == (0, "".join(f"architect: warning: {each}\n" for each in expected[:2]))
    (system.reports / "started").unlink()
    assert expected[0] in system.fails("run", root, "--strict")
    assert expected[0] in system.fails("install", "-p", root, "--strict")
    (base / "architect.json").write_text('{"name": "a/base"}')
    (root / "architect.json").write_text('{"name": "a/root"}')
    assert expected[2] in system.fails("run", root, "--config", config, "--strict")
    assert system.started() == []


def test_undeclared_parameters_of_the_file_are_passed_on(system):
    root = system.service("a/root", SCRIPT, parameters={"A": {}, "b-c": {}, "spring.url": {"default": "x"}})
    config = system.overrides({"a/root": {"parameters": {"A": 1, "UNDECLARED": "2", "b-c": "3"}}})
    system.succeeds("run", root, "--config", config)
    variables = system.variables_of("a/root")
    assert {name: variables[name] for name in ("A", "UNDECLARED", "b-c", "spring.url")} == {
        "A": "1",
        "UNDECLARED": "2",
        "b-c": "3",
        "spring.url": "x",
    }


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({"default": "file:key"}, "from a file"),
        ({"default": "file:./sub/../key"}, "from a file"),
        ({"default": None}, ""),
        ({"default": 7}, "7"),
        ({"default": ""}, ""),
        ({"required": False}, None),
        ({"default": "a file:key"}, "a file:key"),
    ],
)
def test_the_value_of_a_default(system, parameter, expected):
    root = system.service("a/root", parameters={"X": parameter}, dependencies={})
    (root / "key").write_text("from a file\n")
    (root / "sub").mkdir()
    made = plan(root)
    assert made.parameters(made.roots[0]).get("X") == expected


def test_a_default_s_file_is_read_only_if_nothing_else_is_stated_and_is_masked(system):
    root = system.service("a/root", parameters={"X": {"default": "file:nowhere"}})
    with pytest.raises(ManifestError, match=r"parameters\.X\.default: the file that it names cannot be read \(No such"):
        plan(root).parameters(plan(root).roots[0])
    made = plan(root, environ={"X": "file:as it is"})
    assert made.parameters(made.roots[0]) == {"X": "file:as it is"}
    (root / "key").write_text("hunter2hunter2")
    (root / "nowhere").write_text("from the file of a default")
    assert "from the file of a default" in set(secrets_of(plan(root)))
    made = plan(root, system.overrides({"a/root": {"parameters": {"X": "file:root/key"}}}))
    assert made.parameters(made.roots[0]) == {"X": "hunter2hunter2"}
    assert "hunter2hunter2" in set(secrets_of(made))


def test_parameters_of_a_datastore_may_be_null_undeclared_or_files(system):
    (system.folder / "key").write_text("from a file\n")
    parameters = {"POSTGRES_USER": {"default": None}, "A": {"default": "file:../key"}, "B": {"default": ""}}
    root = system.service("a/root", datastores={"db": {"image": "postgres:12", "parameters": parameters}})
    stated = {"POSTGRES_PASSWORD": "file:key", "POSTGRES_DB": "sums", "OTHER": 1}
    made = plan(root, system.overrides({"a/root": {"datastores": {"db": {"parameters": stated}}}}))
    (db,) = made.datastores(made.roots[0])
    assert db.wanted() == {"password": "from a file", "name": "sums"}
    assert "from a file" in set(secrets_of(made))
    entry = db.entry({"username": "made-up", **db.wanted()})
    assert entry == {
        "image": "postgres:12",
        "username": "made-up",
        "password": "from a file",
        "name": "sums",
        "POSTGRES_USER": "made-up",
        "POSTGRES_PASSWORD": "from a file",
        "POSTGRES_DB": "sums",
        "A": "from a file",
        "B": "",
        "OTHER": "1",
    }
    assert db.missing(None) == []


def value_from(value: str, **reference: str) -> dict[str, Any]:
    return {"default": {"valueFrom": {**reference, "value": value}}}


def test_a_value_is_made_of_the_address_and_the_parameters_of_a_dependency_or_a_datastore(system):
    system.plugin("memory", MEMORY_PROVISIONER)
    base = {"dependency": "a/base:latest"}
    system.server(
        "a/own", folder="base", parameters={"TOKEN": {"default": "t0ken"}, "X": value_from("$PORT", dependency="a/own")}
    )
    root = system.service(
        "a/root",
        SCRIPT,
        dependencies={"a/base": "file:../base"},
        datastores={"db": {"image": "memory:1", "parameters": {"MEMORY_USER": {"default": "me", "alias": "username"}}}},
        parameters={
            "ADDRESS": value_from("$HOST:$PORT", **base),
            "OWN": value_from("http://${HOST}:${PORT}/$TOKEN$$", dependency="a/own"),
            "DB": value_from("memory://$MEMORY_USER:$password@$HOST:$PORT/$name", datastore="db"),
            "PLAIN": value_from("$MEMORY_USER", datastore="db"),
            "STATED": value_from("$HOST", **base),
        },
    )
    config = system.overrides(
        {"a/root": {"parameters": {"STATED": "stated", "ALSO": value_from("$PORT", **base)["default"]}}}
    )
    system.succeeds("run", root, "--config", config)
    port, found = system.services_of("a/root")["a/base"]["port"], system.variables_of("a/root")
    db = system.services_of("a/root")["a/root"]["datastores"]["db"]
    assert found["ADDRESS"] == f"127.0.0.1:{port}"
    assert found["OWN"] == f"http://127.0.0.1:{port}/t0ken$"
    assert found["DB"] == f"memory://me:{db['password']}@127.0.0.1:{db['port']}/data"
    assert (found["PLAIN"], found["STATED"], found["ALSO"]) == ("me", "stated", str(port))
    assert system.variables_of("a/own")["X"] == str(port)


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        (value_from("$HOST", dependency="a/bse"), "default.valueFrom.dependency: there is no such dependency (did you"),
        (value_from("$HOST", datastore="bd"), "default.valueFrom.datastore: there is no such datastore; known: db"),
        (
            value_from("$HOTS", dependency="a/base"),
            "valueFrom.value: there is no $HOTS (did you mean 'HOST'?); known: ",
        ),
        (value_from("$USER", datastore="db"), "there is no $USER"),
    ],
)
def test_a_reference_to_nothing_is_an_error_before_anything_starts(system, parameter, reason):
    system.server("a/base")
    root = system.service(
        "a/root",
        SCRIPT,
        dependencies={"a/base": "file:../base"},
        datastores={"db": {"image": "postgres:12", "host": "db.test"}},
        parameters={"X": parameter},
    )
    printed = system.fails("run", root)
    assert printed.startswith(f"architect: {root}/architect.json: parameters.X.default.valueFrom")
    assert reason in printed
    assert system.started() == []


def test_a_reference_to_a_service_that_runs_elsewhere_has_its_host(system):
    root = system.service(
        "a/root",
        dependencies={"a/far": "latest"},
        parameters={"X": value_from("$HOST:$PORT", dependency="a/far:latest")},
    )
    made = plan(root, system.overrides({"a/far:latest": {"host": "http://far.test/v1", "port": 8080}}))
    assert made.parameters(made.roots[0]) == {"X": "far.test:8080"}


def test_the_folder_in_the_config_file_replaces_the_version_in_the_manifest(system):
    system.server("a/base", folder="sub/base")
    root = system.service("a/root", SCRIPT, dependencies={"a/base": "latest"})
    assert "dependencies by version cannot be fetched: a/base latest" in system.fails("run", root)
    system.succeeds("run", root, "--config", system.overrides({"a/base:latest": {"debug": {"path": "./sub/base/"}}}))
    assert system.started() == ["a/base", "a/root"]
    config = system.overrides({"a/base": {"debug": {"path": "./nowhere"}}})
    assert "nowhere: no such folder" in system.fails("run", root, "--config", config)


def test_stubs_are_generated_under_the_dependency_s_own_name_too(system):
    system.plugin("toy", TOY_GENERATOR)
    toy = {"type": "toy", "definitions": ["service.toy"]}
    base = system.service("math/adder-rest", folder="base", api=toy)
    (base / "service.toy").write_text("plain")
    root = system.service("math/root", dependencies={"math/base": "file:../base"})
    assert system.succeeds("install", "-p", root) == "math/root: 2 generated, 0 unchanged, 0 removed\n"
    folder = root / "architect_services" / "math"
    assert (folder / "base" / "service.py").read_bytes() == (folder / "adder_rest" / "service.py").read_bytes()
    assert system.succeeds("install", "-p", root) == "math/root: 0 generated, 2 unchanged, 0 removed\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nB = two words \n# C=3\n\nexport D=4", {"A": "1", "B": "two words", "D": "4"}),
        ("A='it is $A ${A}'\nB=\"x\\ny\"", {"A": "it is $A ${A}", "B": "x\ny"}),
        ("A=1\nB=${A}2\nC=${SHELL_VALUE}\nD=${NOTHING:-else}", {"A": "1", "B": "12", "C": "of the shell", "D": "else"}),
        ("SHELL_VALUE=of the file\nEMPTY=of the file", {"SHELL_VALUE": "of the shell", "EMPTY": ""}),
        ("ALONE\nA=", {"A": ""}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("", {}),
    ],
)
def test_variables_that_are_not_set_are_read_from_a_file(tmp_path, monkeypatch, text, expected):
    monkeypatch.setenv("SHELL_VALUE", "of the shell")
    monkeypatch.setenv("EMPTY", "")
    for name in "ABCD":
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_bytes(text.encode())
    found = read_variables([tmp_path])
    assert {name: found[name] for name in expected} == expected
    assert "ALONE" not in found


@pytest.mark.parametrize(
    ("content", "reason"), [(b"A=1\nno name\n", "line 2 is no NAME=value"), (b"A=\xff", "is not UTF-8")]
)
def test_a_file_of_variables_that_cannot_be_read_is_an_error_without_its_content(tmp_path, content, reason):
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_variables([tmp_path])
    assert str(caught.value) == f"{tmp_path}/.env: {reason}"
    with pytest.raises(ConfigError, match=r"nowhere: cannot be read \(No such file"):
        read_variables([tmp_path], tmp_path / "nowhere")


def test_the_file_of_variables_is_the_stated_one_else_the_service_s_else_the_one_here(tmp_path, monkeypatch):
    here, service = tmp_path / "here", tmp_path / "service"
    for folder in (here, service):
        folder.mkdir()
        (folder / ".env").write_text(f"FROM={folder.name}")
    (tmp_path / "stated").write_text("FROM=stated")
    monkeypatch.chdir(here)
    assert read_variables([service], tmp_path / "stated")["FROM"] == "stated"
    assert read_variables([service])["FROM"] == "service"
    (service / ".env").unlink()
    assert read_variables([service])["FROM"] == "here"
    (here / ".env").unlink()
    assert "FROM" not in read_variables([service])


def test_a_run_reads_the_file_for_declared_parameters_and_for_the_config_file_alone(system):
    parameters = {name: {"default": "default"} for name in ("A", "B", "C", "D", "E")}
    root = system.service("a/root", SCRIPT, parameters=parameters)
    (root / ".env").write_text("A=of the file\nB=of the file\nC=of the file\nUNDECLARED=x\nSECRET=s3cret-s3cret\n")
    config = system.overrides({"a/root": {"parameters": {"C": "of config", "D": {"$env": "SECRET"}}}})
    system.succeeds("run", root, "--config", config, environ={"B": "of the shell"})
    found = system.variables_of("a/root")
    values = ("of the file", "of the shell", "of config", "s3cret-s3cret", "default")
    assert tuple(found[name] for name in ("A", "B", "C", "D", "E")) == values
    assert not {"UNDECLARED", "SECRET"} & set(found)
    (system.folder / "other").write_text("A=of the other")
    system.succeeds("run", root, "--env-file", system.folder / "other")
    assert system.variables_of("a/root")["A"] == "of the other"


def taken(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_a_service_listens_on_the_port_of_its_manifest_if_that_is_free_and_else_says_so(system):
    port = free_port()
    root = system.service("a/root", SCRIPT, dependencies={"a/base": "file:../base"})
    system.server("a/base", port=port)
    assert f"a/base (rest) will listen on 127.0.0.1:{port}" in system.succeeds("run", root)
    assert system.services_of("a/root")["a/base"]["port"] == port
    with taken(port):
        printed = system.succeeds("run", root)
    other = system.services_of("a/root")["a/base"]["port"]
    assert f"a/base: port {port} of its architect.json cannot be used (Address already in use); it listens" in printed
    assert other != port
    assert system.succeeds("run", root, "--config", system.overrides({"a/base": {"port": other}}))
    system.succeeds("run", root)
    assert system.services_of("a/root")["a/base"]["port"] == port


def test_of_two_services_with_one_port_in_their_manifests_one_gets_another():
    port, notes = free_port(), []
    chosen = choose_ports({"a": None, "b": None, "c": None}, {"b": port, "c": port}, {"a": port}, notes.append)
    assert chosen["b"] == port
    assert len(set(chosen.values())) == 3
    assert notes == [
        f"c: port {port} of its architect.json cannot be used (Address already in use); it listens on {chosen['c']}"
    ]


def test_ports_of_the_file_go_before_those_of_manifests_and_these_before_those_of_the_last_run():
    one, two, three = (free_port() for _ in range(3))
    stated = {"a": one, "b": None, "c": None, "d": None}
    chosen = choose_ports(stated, {"a": two, "b": two}, {"a": three, "b": three, "c": three}, pytest.fail)
    assert (chosen["a"], chosen["b"], chosen["c"]) == (one, two, three)
    assert chosen["d"] not in {one, two, three}


def test_a_port_that_only_root_may_use_is_replaced_too(monkeypatch):
    def refused(address: tuple[str, int]) -> socket.socket:
        if address[1] == 80:
            raise PermissionError(errno.EACCES, "no")
        return taken(address[1])

    notes: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("architect_cli.planning.ports.socket", SimpleNamespace(create_server=refused))
        chosen = choose_ports({"a": None}, {"a": 80}, {}, notes.append)
    assert notes == [
        f"a: port 80 of its architect.json cannot be used (Permission denied); it listens on {chosen['a']}"
    ]


@pytest.mark.parametrize(
    "image", ["memcached:1.6", "registry.test/acme/billing", "mongo:4", "elasticsearch:7.5", "localhost:5000/x/y:1"]
)
def test_an_image_that_nothing_starts_says_that_a_host_can_be_stated(system, image):
    root = system.service("a/root", SCRIPT, datastores={"db": {"image": image, "port": 1}})
    printed = system.fails("run", root)
    assert "server cannot be started here. State the host of one that runs, with --config or as `host`" in printed
    config = system.overrides({"a/root": {"datastores": {"db": {"host": "db.test"}}}})
    system.succeeds("run", root, "--config", config)
    assert system.services_of("a/root")["a/root"]["datastores"]["db"] == {"host": "db.test", "image": image, "port": 1}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("deploy", "run"),
        ("start", "run"),
        ("up", "run"),
        ("rnu", "run"),
        ("isntall", "install"),
        ("plugin-new", "plugin"),
        ("Run", "run"),
        ("nothing-like-it", None),
    ],
)
def test_an_unknown_command_is_answered_with_the_one_that_is_meant(system, typed, meant):
    done = system.architect(typed, "--local")
    assert done.returncode == 2
    hint = "" if meant is None else f" (did you mean '{meant}'?)"
    assert done.stderr.splitlines()[-1] == f"Error: No such command '{typed}'{hint}."
