"""The commands and programs of the READMEs work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from programs import PAYMENTS, RECORDER, write_grpc_service
from workspace import PACKAGES, ROOT

from architect_core.schema.manifest import parse_manifest
from architect_grpc.settings import GrpcOptions

README = (ROOT / "README.md").read_text()
PAYMENTS_PROTO = """syntax = "proto3";
message PayRequest { int32 amount = 1; }
message PayResponse { int32 output = 1; }
service Payments { rpc Pay (PayRequest) returns (PayResponse); }
"""


# the connection to a database with the tables of orders and of the outbox, whose rows are counted at the end
OUTBOX = """
import atexit, sqlite3
from architect_events.outbox.tables import SQLITE
connection = sqlite3.connect(":memory:", isolation_level="DEFERRED")
connection.executescript("create table orders (id int);" + ";".join(SQLITE.create))
count = "select count(*), max(ordering_key) from architect_outbox"
atexit.register(lambda: print(*connection.execute(count).fetchone()))
"""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf'```{language}(?: title="[^"]+")?\n(.*?)```', text, re.DOTALL)


def test_its_introduction_has_exactly_two_commands():
    commands = [line for line in README.partition("## ")[0].splitlines() if line.startswith("pip ")]
    assert commands == ["pip install uv && uv run architect run examples/shop", "pip install uv && uv run pytest"]


HEAD = "from architect_core.contract import hookimpl\nARCHITECT_CONTRACT = 2\n@hookimpl\n"
BROKEN_PLUGINS = {
    "imports": "import no_such_module_at_all",
    "misnamed": HEAD + "def architect_client_factroy(): ...",
    "raises": HEAD + "def architect_client_factory(): 1 / 0",
    "wrong-type": HEAD + "def architect_client_factory(): return 7",
    # a name of architect-datastore's, which nothing here looks up
    "generic": HEAD + "def architect_credential_parser(): ...",
}


@pytest.fixture(params=["sound", "beside five broken plugins"])
def site(request, tmp_path):
    """A folder of installed distributions: none, or five with broken plugins."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, source in BROKEN_PLUGINS.items() if request.param != "sound" else ():
        module = f"broken_{name.replace('-', '_')}"
        info = folder / f"{module}-6.6.6.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: broken-{name}\nVersion: 6.6.6\n")
        (info / "entry_points.txt").write_text(f"[architect]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(source)
    return folder


def test_every_python_block_runs_in_the_environment_that_it_shows(
    start_program, run_program, free_port, tmp_path, site
):
    rest, grpc = free_port(), free_port()
    recorded = start_program(RECORDER, rest)
    environment = blocks(README, "json")[0].replace("18080", str(rest)).replace("18081", str(grpc))
    write_grpc_service(tmp_path / "payments", "acme/payments", PAYMENTS_PROTO)
    environ = {"ARCHITECT": environment, "ARCHITECT_CURRENT_SERVICE": "acme/payments"}
    start_program(PAYMENTS, grpc, cwd=tmp_path / "payments", **environ)
    program = "\n".join([OUTBOX, *blocks(README, "python")])
    environ |= {"ARCHITECT_CURRENT_SERVICE": "acme/orders", "PYTHONPATH": str(site)}
    printed = run_program(f"{program}\nprint(answer.output, db.url)", cwd=tmp_path / "client", **environ).splitlines()
    assert recorded.read_text().splitlines() == [
        "GET /v1/invoices/7?currency=EUR ",
        'PUT /v1/invoices/2026%2F7 {"paid": true}',
        'POST /event/callback {"order": 7}',
    ]
    shown = "Credentials(postgres, host='db.internal', port=5432, username='app', name='orders', type=***"
    assert printed[0].startswith(shown)
    assert shown in README
    assert printed[1].startswith("acme/mailer 200 0.")
    assert printed[2].startswith("no service named 'acme/biling' (did you mean 'acme/billing'?); known: acme/billing, ")
    assert printed[3:] == ["20 postgresql://app:s3cret@db.internal:5432/orders", "1 7"]


def test_its_manifest_is_valid():
    assert parse_manifest(blocks(README, "json")[1]).notifications == ["order_placed"]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_programs_in_a_package_s_readme_run(start_program, run_program, free_port, package, tmp_path):
    text = (PACKAGES[package].folder / "README.md").read_text()
    port = free_port()
    start_program(RECORDER, port)
    if package == "grpc":
        write_grpc_service(tmp_path / "payments", "acme/payments", PAYMENTS_PROTO)
    for program in blocks(text, "python"):
        if "architect.service(" in program and package == "grpc":
            environ = {"ARCHITECT": json.dumps({"acme/payments": {"host": "127.0.0.1", "port": port, "api": "grpc"}})}
            run_program(program, cwd=tmp_path / "client", **environ)
        else:
            run_program(program.replace("18080", str(port)))


def test_what_the_page_about_a_grpc_channel_shows_works(run_program, tmp_path):
    text = (ROOT / "docs" / "how-to" / "configure-a-grpc-channel.md").read_text()
    entries = blocks(text, "json")
    assert entries
    for entry in map(json.loads, entries):
        assert GrpcOptions(**entry["acme/payments"]["options"])
    write_grpc_service(tmp_path / "payments", "acme/payments", PAYMENTS_PROTO)
    entry = {"acme/payments": {"host": "127.0.0.1", "port": 1, "api": "grpc"}}
    for program in blocks(text, "python"):
        run_program(program, cwd=tmp_path / "client", ARCHITECT=json.dumps(entry))


@pytest.mark.parametrize(
    "path", ["README.md", "CONTRIBUTING.md", "docs/explanation/design.md", "architect_rest/README.md"]
)
def test_links_have_targets(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / path).read_text()):
        assert (Path(ROOT / path).parent / target).exists(), target
