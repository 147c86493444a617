"""What `architect run` starts, in which order, and the environment of each service."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from cli_system import LISTEN, REPORT, SCRIPT, SERVER, TOY_GENERATOR, System, free_port

EVENT = {"uri": "/placed", "headers": {"x-token": "t0ken-of-mailer"}}


@pytest.fixture
def shop(system: System) -> Path:
    """A script that needs orders, which needs billing and payments; mailer, which also orders need, subscribes."""
    needs = ("billing", "payments", "mailer")
    system.server(
        "acme/orders",
        dependencies={f"acme/{name}": f"file:../{name}" for name in needs},
        notifications=["placed", "dropped"],
        datastores={"orders_db": {"image": "postgres:16", "host": "db.test", "parameters": {}}},
    )
    system.server("acme/billing")
    system.server("acme/payments", api={"type": "grpc"}, dependencies={"acme/billing": "file:../billing"})
    system.server("acme/mailer", subscriptions={"acme/orders": {"placed": EVENT}})
    return system.service("acme/script", SCRIPT, dependencies={"acme/orders": "file:../orders"})


def test_each_service_gets_the_entries_of_itself_its_dependencies_and_its_subscribers_only(system, shop):
    system.succeeds("run", shop)
    orders, port = system.services_of("acme/orders"), int(system.variables_of("acme/mailer")["PORT"])
    assert set(orders) == {"acme/orders", "acme/billing", "acme/payments", "acme/mailer"}
    assert orders["acme/mailer"] == {"host": "http://127.0.0.1", "port": port, "api": "rest"}
    assert orders["acme/payments"]["host"] == "127.0.0.1"
    assert orders["acme/orders"]["subscriptions"] == {"placed": {"acme/mailer": EVENT}, "dropped": {}}
    assert orders["acme/orders"]["datastores"] == {"orders_db": {"image": "postgres:16", "host": "db.test"}}
    assert set(system.services_of("acme/payments")) == {"acme/payments", "acme/billing"}
    assert set(system.services_of("acme/billing")) == {"acme/billing"}
    script = system.services_of("acme/script")
    assert set(script) == {"acme/script", "acme/orders"}
    assert script["acme/script"] == {"api": None, "subscriptions": {}, "datastores": {}}
    assert set(script["acme/orders"]) == {"host", "port", "api"}


def test_each_service_gets_its_name_and_the_address_to_listen_on(system, shop):
    system.succeeds("run", shop, environ={"ARCHITECT": "of another run"})
    services = ("acme/orders", "acme/billing", "acme/payments", "acme/mailer")
    variables = {name: system.variables_of(name) for name in services}
    assert all(variables[name]["ARCHITECT_CURRENT_SERVICE"] == name for name in services)
    assert all(variables[name]["HOST"] == "127.0.0.1" for name in services)
    assert all(variables[name]["ARCHITECT_SERVICE_ROOT"] == str(system.folder / name[5:]) for name in services)
    assert len({variables[name]["PORT"] for name in services}) == 4
    for name in services:
        assert system.services_of(name)[name]["port"] == int(variables[name]["PORT"])
    script = system.variables_of("acme/script")
    assert not {"HOST", "PORT"} & set(script)


def test_dependencies_are_started_once_and_listen_before_their_dependents_start(system):
    late = REPORT + "time.sleep(0.3)\n" + LISTEN + "serve()\n"
    check = """
        for name, place in json.loads(os.environ["ARCHITECT"]).items():
            if name != ME:
                socket.create_connection(("127.0.0.1", place["port"])).close()
    """.replace("\n        ", "\n")
    system.server("a/base", late)
    system.server("a/left", REPORT + check + LISTEN + "serve()\n", dependencies={"a/base": "file:../base"})
    system.server("a/right", REPORT + check + LISTEN + "serve()\n", dependencies={"a/base": "file:../base"})
    needs = {"a/left": "file:../left", "a/right": "file:../right"}
    system.succeeds("run", system.service("a/root", SCRIPT + check, dependencies=needs))
    assert system.started()[0] == "a/base"
    assert system.started()[-1] == "a/root"
    assert sorted(system.started()) == ["a/base", "a/left", "a/right", "a/root"]


def test_services_that_need_each_other_know_each_other(system):
    system.server("a/second", dependencies={"a/first": "file:../first"})
    first = system.server("a/first", dependencies={"a/second": "file:../second", "a/first": "file:."})
    running = system.start("run", first).wait_for("is ready at")
    assert running.ends(signal.SIGINT) == 130
    assert set(system.services_of("a/second")) == {"a/first", "a/second"}
    assert system.services_of("a/first")["a/second"]["port"] == int(system.variables_of("a/second")["PORT"])


def test_a_dependency_has_the_name_that_its_dependent_calls_it_and_that_in_its_own_manifest(system):
    system.server("acme/base")
    root = system.service("acme/root", SCRIPT, dependencies={"acme/nickname": "file:../base"})
    system.succeeds("run", root)
    services = system.services_of("acme/root")
    assert set(services) == {"acme/root", "acme/nickname", "acme/base"}
    assert services["acme/nickname"] == services["acme/base"]
    assert system.variables_of("acme/base")["ARCHITECT_CURRENT_SERVICE"] == "acme/base"


def test_a_subscription_to_an_event_that_is_not_announced_is_an_error(system):
    system.server("acme/mailer", subscriptions={"acme/orders": {"plcaed": EVENT}})
    root = system.service("acme/orders", "", dependencies={"acme/mailer": "file:../mailer"}, notifications=["placed"])
    printed = system.fails("run", root)
    assert "acme/mailer subscribes to 'plcaed' of acme/orders, which announces placed" in printed


def test_a_parameter_s_value_is_the_config_file_s_else_the_environment_s_else_the_default(system):
    parameters = {name: {"default": "from default"} for name in ("A", "B", "C")}
    parameters["OPTIONAL"] = {"required": False}
    root = system.service("a/root", SCRIPT, parameters=parameters)
    config = system.overrides({"a/root": {"parameters": {"C": "from file"}}})
    system.succeeds("run", root, "--config", config, environ={"B": "from environment", "C": "from environment"})
    variables = system.variables_of("a/root")
    assert (variables["A"], variables["B"], variables["C"]) == ("from default", "from environment", "from file")
    assert "OPTIONAL" not in variables


def test_all_required_parameters_without_a_value_are_reported_and_nothing_is_started(system):
    system.server("a/base", parameters={"ONE": {}})
    root = system.service("a/root", "", parameters={"TWO": {}, "SET": {}}, dependencies={"a/base": "file:../base"})
    printed = system.fails("run", root, environ={"SET": "1"})
    assert "required parameters have no value: a/base: ONE, a/root: TWO. State them with --config" in printed
    assert system.started() == []


def test_a_parameter_cannot_replace_a_variable_of_the_run(system):
    parameters = {name: {"default": "1"} for name in ("HOST", "PORT", "ARCHITECT", "ARCHITECT_CURRENT_SERVICE")}
    system.server("a/base", parameters=parameters)
    root = system.service("a/root", SCRIPT, parameters=parameters, dependencies={"a/base": "file:../base"})
    system.succeeds("run", root)
    assert system.variables_of("a/base")["PORT"] == str(system.services_of("a/root")["a/base"]["port"])
    assert (system.variables_of("a/root")["HOST"], system.variables_of("a/root")["PORT"]) == ("1", "1")


@pytest.mark.parametrize("program", ["main.py", "app.py", "server.py"])
def test_a_python_service_without_debug_is_started_with_its_usual_program(system, program):
    root = system.service("a/root", language="python")
    (root / program).write_text("print('I am', __file__)")
    assert f"a/root | I am {root / program}" in system.succeeds("run", root)


@pytest.mark.parametrize("file", ["package.json", "index.js"])
def test_a_node_service_without_debug_is_started_as_node_services_are(system, file):
    root = system.service("a/root", language="node")
    (root / file).write_text('{"scripts": {"start": "node x"}}')
    tools = system.folder / "tools"
    tools.mkdir()
    for tool in ("npm", "node"):
        (tools / tool).write_text(f'#!/bin/sh\necho {tool} "$@"\n')
        (tools / tool).chmod(0o755)
    printed = system.succeeds("run", root, environ={"PATH": f"{tools}:{os.environ['PATH']}"})
    assert ("a/root | npm start" if file == "package.json" else "a/root | node index.js") in printed


@pytest.mark.parametrize(
    ("manifest", "looked_for"),
    [
        ({}, "main.py, app.py, server.py"),
        ({"language": "node"}, "package.json with a start script, index.js"),
        ({"language": "cobol"}, "Write `debug` in"),
    ],
)
def test_a_service_without_a_command_is_an_error_that_says_what_to_write(system, manifest, looked_for):
    printed = system.fails("run", system.service("a/root", **manifest))
    assert "a/root: the command that starts it is not known. Write `debug` in " in printed
    assert looked_for in printed


@pytest.mark.parametrize(
    ("debug", "printed"),
    [
        ("echo 'one argument' \"two\"", "one argument two"),
        ("echo $ARCHITECT_CURRENT_SERVICE && echo done | tr d D", "a/root\na/root | Done"),
        ("GREETING=hello sh -c 'echo $GREETING'", "hello"),
        ("cd sub && pwd", "/root/sub"),
        ("exec echo replaced", "replaced"),
        ("./tool.sh", "the tool"),
    ],
)
def test_debug_is_a_command_as_in_a_shell(system, debug, printed):
    root = system.service("a/root", debug=debug)
    (root / "sub").mkdir()
    (root / "tool.sh").write_text("#!/bin/sh\necho the tool\n")
    (root / "tool.sh").chmod(0o755)
    assert printed in system.succeeds("run", root)


@pytest.mark.parametrize(
    ("debug", "reason"),
    [
        ("", "debug: string should have at least 1 character"),
        ("   ", "`debug` in "),
        ("echo 'open", "cannot be read: no closing quotation"),
        ("no-such-program --x", "a/root: no-such-program --x cannot be started: No such file or directory"),
        ("''", "cannot be started"),
        ("echo \0", "cannot be started: embedded null byte"),
    ],
)
def test_a_debug_command_that_cannot_be_started_is_an_error(system, debug, reason):
    assert reason in system.fails("run", system.service("a/root", debug=debug))


def test_folders_with_spaces_and_other_scripts_run(system):
    system.server("a/base", folder="the base ü")
    root = system.service("a/root", SCRIPT, folder="my röot 根", dependencies={"a/base": "file:../the base ü"})
    long = system.folder / ("t" * 100) / ("ü" * 50)
    long.mkdir(parents=True)
    system.process("run", root, environ={"TMPDIR": str(long)}).succeeded()
    assert list(long.iterdir()) == []
    assert set(system.started()) == {"a/base", "a/root"}


def test_a_service_reads_an_empty_standard_input(system):
    root = system.service("a/root", "import sys; print(repr(sys.stdin.read()))")
    done = system.process("run", root, input="for nobody")
    assert "a/root | ''" in done.stdout


def test_stubs_are_generated_before_anything_starts_and_notes_are_shown(system):
    system.plugin("toy", TOY_GENERATOR)
    base = system.server("a/base", api={"type": "toy", "definitions": ["service.toy"]})
    (base / "service.toy").write_text("odd")
    root = system.service(
        "a/root",
        "from architect_services.a.base import service; print(service.TEXT)",
        dependencies={"a/base": "file:../base"},
    )
    printed = system.succeeds("run", root)
    assert "stubs of a/base generated for a/root" in printed
    assert "a/root: a/base is odd" in printed
    assert "a/root | odd" in printed


def test_a_definition_that_does_not_compile_ends_the_run_before_anything_starts(system):
    system.plugin("toy", TOY_GENERATOR)
    root = system.server("a/base", api={"type": "toy", "definitions": ["service.toy"]})
    (root / "service.toy").write_text("wrong")
    assert "service.toy:1: does not compile" in system.fails("run", root)
    assert system.started() == []


def test_a_service_with_a_host_in_the_config_is_not_started_and_used_where_it_is(system, shop):
    elsewhere = {
        "acme/billing": {"host": "https://billing.test/v1", "port": 8443},
        "acme/payments": {"host": "payments.test:50051"},
        "acme/mailer": {"host": "http://me:pw1@mailer.test", "api": "pigeon"},
    }
    printed = system.succeeds("run", shop, "--config", system.overrides(elsewhere))
    orders = system.services_of("acme/orders")
    assert orders["acme/billing"] == {"host": "https://billing.test/v1", "port": 8443, "api": "rest"}
    assert orders["acme/payments"] == {"host": "payments.test:50051", "port": 50051, "api": "grpc"}
    assert orders["acme/mailer"] == {"host": "http://me:pw1@mailer.test", "port": 8080, "api": "pigeon"}
    assert "acme/mailer is used where it is: http://me:***@mailer.test\n" in printed
    assert sorted(system.started()) == ["acme/orders", "acme/script"]


def test_a_run_of_a_service_with_a_host_in_the_config_is_an_error(system):
    system.server("a/base")
    root = system.server("a/root", dependencies={"a/base": "file:../base"})
    config = system.overrides({"a/root": {"host": "http://root.test"}})
    printed = system.fails("run", root, "--config", config)
    assert "a/root: nothing is to be started, because --config states a host for it. Remove its `host`" in printed
    assert system.started() == []


def test_a_run_ends_with_the_script_that_is_started_if_another_one_runs_elsewhere(system):
    other, root = system.server("a/other"), system.service("a/root", SCRIPT)
    system.succeeds("run", other, root, "--config", system.overrides({"a/other": {"host": "http://other.test"}}))
    assert system.started() == ["a/root"]


def test_a_service_with_a_port_in_the_config_listens_there(system):
    port = free_port()
    system.server("a/base")
    root = system.service("a/root", SCRIPT, dependencies={"a/base": "file:../base"})
    printed = system.succeeds("run", root, "--config", system.overrides({"a/base": {"port": port}}))
    assert f"a/base (rest) will listen on 127.0.0.1:{port}" in printed
    assert system.variables_of("a/base")["PORT"] == str(port)


def test_a_stated_port_that_is_taken_is_reported_before_anything_starts(system):
    root = system.server("a/root")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        printed = system.fails("run", root, "--config", system.overrides({"a/root": {"port": port}}))
    assert f"a/root: port {port} on 127.0.0.1 cannot be used: Address already in use" in printed
    assert system.started() == []


def test_two_services_cannot_be_stated_to_listen_on_one_port(system):
    system.server("a/base")
    root = system.server("a/root", dependencies={"a/base": "file:../base"})
    port = free_port()
    printed = system.fails(
        "run", root, "--config", system.overrides({"a/root": {"port": port}, "a/base": {"port": port}})
    )
    assert f"a/base and a/root are both to listen on port {port}" in printed


def test_a_dependency_by_version_has_to_be_said_where_it_is(system):
    root = system.service("a/root", SCRIPT, dependencies={"a/far": "1.2.0", "a/away": "2"})
    assert "dependencies by version cannot be fetched: a/away 2 (of a/root), a/far 1.2.0" in system.fails("run", root)
    stated = {"a/far": {"host": "far.test", "port": 1, "api": "grpc"}, "a/away": {"host": "http://away.test"}}
    system.succeeds("run", root, "--config", system.overrides(stated))
    services = system.services_of("a/root")
    assert services["a/far"] == {"host": "far.test", "port": 1, "api": "grpc"}
    assert services["a/away"] == {"host": "http://away.test", "api": "rest"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "architect.json: is not JSON"),
        ('{"name": "A B"}', "name: a name has letters"),
        ('{"name": "a", "api": "rest"}', "api: "),
        ('{"name": "a", "dependencies": {"b": "file:../nowhere"}}', "dependencies.b: "),
        ('{"name": "a", "port": 0}', "port: a port is a number"),
    ],
)
@pytest.mark.parametrize("command", ["run", "install"])
def test_a_bad_manifest_is_reported_without_a_traceback(system, command, text, reason):
    root = system.service("a")
    (root / "architect.json").write_text(text)
    printed = system.fails(*(["run", root] if command == "run" else ["install", "-p", root]))
    assert reason in printed
    assert str(root) in printed


def test_a_bad_config_file_is_reported_without_a_traceback(system):
    root = system.service("a/root", SCRIPT)
    config = system.overrides({"a/root": {"port": 0}})
    assert "services.a/root.port: a port is a number" in system.fails("run", root, "--config", config)
    assert system.started() == []


def test_lines_are_prefixed_and_plain_in_a_file_and_coloured_on_a_terminal(system):
    system.server("a/longer")
    root = system.service("a/root", "print('hello')", dependencies={"a/longer": "file:../longer"})
    printed = system.succeeds("run", root)
    assert "a/longer | serving\n" in printed
    assert "a/root   | hello\n" in printed
    assert "\x1b" not in printed
    code, shown = system.on_terminal("run", str(root))
    assert code == 0
    assert "\x1b[32ma/root  \x1b[0m \x1b[2m|\x1b[0m hello" in shown
    _, shown = system.on_terminal("run", str(root), NO_COLOR="1")
    assert "a/root   | hello" in shown
    assert "\x1b" not in shown


def test_an_error_goes_to_the_standard_error_red_on_a_terminal(system):
    root = system.server("a/root", "print('only this')")
    assert "a/root ended with exit code 0 before it listened" in system.fails("run", root)
    code, shown = system.on_terminal("run", str(root))
    assert code == 1
    assert "\x1b[31marchitect: a/root ended with" in shown


def test_secrets_are_masked_in_what_services_print(system):
    root = system.service(
        "a/root",
        """
        import os, json
        print("ordinary", os.environ["MODE"], os.environ["API_TOKEN"], os.environ["FROM_OUTSIDE_SECRET"])
        print(os.environ["ARCHITECT"], os.environ["FEED"], os.environ["STORE"])
        raise SystemExit(os.environ["API_TOKEN"])
        """,
        parameters={"API_TOKEN": {}, "MODE": {}, "FROM_OUTSIDE_SECRET": {}, "FEED": {}, "STORE": {}},
        dependencies={"a/bare": "1", "a/token": "1"},
        datastores={"db": {"type": "memory", "host": "db.test", "parameters": {"PW": {"alias": "password"}}}},
    )
    entry = {
        "parameters": {
            "API_TOKEN": 'tok"en-1',
            "MODE": "visible",
            "FEED": "amqp://app:url-pass@mq.test",
            "STORE": "Server=h;Password=string-pass",
        },
        "datastores": {"db": {"password": "db-päss"}},
    }
    others = {"a/bare": {"host": "app:bare-pass@h:9"}, "a/token": {"host": "http://user-token@h:9"}}
    config = system.overrides({"a/root": entry, **others})
    done = system.architect("run", root, "--config", config, environ={"FROM_OUTSIDE_SECRET": "outside-2"})
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert "a/root | ordinary visible *** ***\n" in printed
    assert "amqp://app:***@mq.test" in printed
    assert "http://***@h" in printed
    for secret in (
        "en-1",
        "outside-2",
        "url-pass",
        "string-pass",
        "bare-pass",
        "user-token",
        "db-p",
        json.dumps("db-päss")[1:-1],
    ):
        assert secret not in printed


@pytest.mark.parametrize(
    "host",
    [
        "http://app:s3cret-login@127.0.0.1:9",
        "app:s3cret-login@127.0.0.1:9",
        "http://s3cret-login@127.0.0.1:9",
        "http://app:12/s3cret-login@127.0.0.1:9",
        "http://app:s3cret%2Dlogin@127.0.0.1:9/a@b",
    ],
)
def test_the_login_of_a_stated_host_is_masked_however_it_is_written(system, host):
    program = "import os; print(os.environ['ARCHITECT']); raise SystemExit(os.environ['ARCHITECT'])"
    root = system.service("a/root", program, dependencies={"a/dep": "1.0"})
    done = system.architect("run", root, "--config", system.overrides({"a/dep": {"host": host, "api": "rest"}}))
    assert done.returncode == 1
    assert "***" in done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_binary_output_and_lines_without_an_end_are_shown_and_break_nothing(system):
    root = system.service(
        "a/root",
        """
        import sys
        out = sys.stdout.buffer
        out.write(bytes(range(256)) * 4 + b"\\n")
        out.write(b"x" * 300_000)
        out.write(b"\\nwindows\\r\\nno end")
        """,
    )
    printed = system.succeeds("run", root)
    assert printed.count("x") >= 300_000
    assert "a/root | windows\n" in printed
    assert printed.endswith("a/root | no end\n")
    printed = system.process("run", root, environ={"PYTHONIOENCODING": "ascii"}).succeeded()
    assert printed.endswith("a/root | no end\n")


def test_a_server_is_ready_where_it_says(system):
    running = system.start("run", system.server("a/root", SERVER)).wait_for("is ready at")
    assert (
        f"a/root is ready at http://127.0.0.1:{system.variables_of('a/root')['PORT']}; press Ctrl-C"
        in running.printed()
    )
    assert running.ends(signal.SIGINT) == 130


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ["install", "run", "Connect services"]),
        (["-h"], ["install", "run"]),
        (["install", "-h"], ["--prefix", "--recursive", "--verbose", "architect_services"]),
        (
            ["run", "--help"],
            ["--config FILE", "--timeout SECONDS", "[default: 30.0", '"services"', "Ctrl-C", "exit code"],
        ),
        (["--version"], ["architect, version 0."]),
    ],
)
def test_help_is_there(system, arguments, expected):
    printed = system.succeeds(*arguments)
    assert [text for text in expected if text not in printed] == []
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments", [["rnu"], *(["run", ".", "--timeout", each] for each in ("0", "x", "nan", "inf", "-1", "1e999", ""))]
)
def test_a_command_line_that_makes_no_sense_ends_with_2_and_the_usage(system, arguments):
    done = system.architect(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: architect")
