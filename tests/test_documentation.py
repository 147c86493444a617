"""The examples of the documentation of architect.sdk 0.2.1, run as they are written.

`documentation/sdk-0.2.1.md` is that documentation. Each test runs an example from it unchanged, and
adds only what a reader must add as well: imports, and values for names that the text does not define.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from programs import PAYMENTS, RECORDER, write_grpc_service

from architect_core.schema.manifest import parse_manifest

TEXT = (Path(__file__).parent / "documentation" / "sdk-0.2.1.md").read_text()


def example(first: str, last: str) -> str:
    """The lines of the documentation from the one that starts with `first` to the next that ends with `last`."""
    lines = TEXT.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(first))
    end = next(number for number, line in enumerate(lines) if number >= begin and line.endswith(last))
    return "\n".join(lines[begin : end + 1]) + "\n"


CONNECTING = example("import architect.sdk as architect", "defs = my_dependency.defs")


def test_the_rest_example_reaches_a_rest_service(start_program, run_program, free_port):
    port = free_port()
    output = start_program(RECORDER, port)
    calls = example("res = my_dependency.client.get", "client.delete('/resource/:resource_id')")
    program = f"{CONNECTING}\ndata = 'text'\n{calls}\nprint(res.status_code, defs)"
    config = {"my_dependency_name": {"host": "http://127.0.0.1", "port": port, "api": "rest"}}
    assert run_program(program, ARCHITECT=json.dumps(config)) == "200 None\n"
    assert [line.split()[:2] for line in output.read_text().splitlines()] == [
        ["GET", "/resource"],
        ["POST", "/resource"],
        ["PUT", "/resource/:resource_id"],
        ["DELETE", "/resource/:resource_id"],
    ]


def test_the_grpc_example_reaches_a_grpc_service(start_program, run_program, free_port, tmp_path):
    definition = example("// service.proto", "  rpc Pay (PayRequest) returns (PayResponse) {}") + "}\n"
    write_grpc_service(tmp_path / "payments", "my_dependency_name", definition)
    port = free_port()
    config = json.dumps({"my_dependency_name": {"host": "127.0.0.1", "port": port, "api": "grpc"}})
    environ = {"ARCHITECT": config, "ARCHITECT_CURRENT_SERVICE": "my_dependency_name"}
    start_program(PAYMENTS, port, cwd=tmp_path / "payments", **environ)
    calls = example("# Model definitions will match", "output = pay_res.output")
    printed = run_program(f"{CONNECTING}\n{calls}\nprint(output)", cwd=tmp_path / "client", ARCHITECT=config)
    assert printed == "20\n"


def test_the_data_store_example_connects_to_postgresql(postgres, run_program):
    connecting = example("import psycopg2", "port=db_config.port)")
    query = "cursor = connection.cursor()\ncursor.execute('select current_user, 6 * 7')\nprint(*cursor.fetchone())"
    config = {"acme/checkout": {"datastores": {"primary_db": dict(postgres)}}}
    environ = {"ARCHITECT": json.dumps(config), "ARCHITECT_CURRENT_SERVICE": "acme/checkout"}
    program = f"{connecting}\n{query}\nconnection.close()"
    assert run_program(program, **environ) == f"{postgres['username']} 42\n"


def test_the_subscribing_example_listens_on_host_and_port(start_program, free_port):
    port = free_port()
    app = example("from flask import Flask, request", "app.run(host=os.environ['HOST'], port=os.environ['PORT'])")
    handled = app.replace("# Custom event handling here", "# Custom event handling here\n    return 'handled'")
    assert handled != app
    start_program(f"import os\n{handled}", port)
    assert requests.get(f"http://127.0.0.1:{port}/event/callback", timeout=5).text == "handled"


def test_the_publishing_example_reaches_the_subscriber(start_program, run_program, free_port):
    port = free_port()
    output = start_program(RECORDER, port)
    publishing = example("from requests import Request, Session", "data = {})")
    config = {
        "acme/shop": {"subscriptions": {"<event_name>": {"acme/mailer": {"uri": "/event/callback"}}}},
        "acme/mailer": {"host": "http://127.0.0.1", "port": port, "api": "rest"},
    }
    environ = {"ARCHITECT": json.dumps(config), "ARCHITECT_CURRENT_SERVICE": "acme/shop"}
    assert run_program(f"import requests\n{publishing}\nprint(r.status_code)", **environ) == "200\n"
    assert output.read_text().split() == ["POST", "/event/callback"]


def test_the_subscription_in_the_manifest_is_the_one_that_is_read():
    snippet = TEXT.partition("// architect.json\n")[2].partition("\n}\n")[0] + "\n}"
    named = snippet.replace("<service_name>", "acme/shop").replace("<event_name>", "placed")
    manifest = parse_manifest('{"name": "acme/mailer",' + named.removeprefix("{"))
    assert manifest.subscriptions["acme/shop"]["placed"].headers == {"x-custom-header": "example"}


@pytest.mark.parametrize("first", ["import psycopg2", "from flask import", "from requests import", "// service.proto"])
def test_every_example_has_its_test(first):
    assert sum(line.startswith(first) for line in TEXT.splitlines()) == 1
