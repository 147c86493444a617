"""`architect init`: the manifest that it writes for what a folder holds, and a run of what it wrote."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import textwrap
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli_system import System

from architect_cli.detecting import detect, name_of
from architect_cli.parts.starting import check
from architect_cli.planning.overrides import Overrides
from architect_cli.planning.plan import Plan
from architect_cli.planning.tree import load_tree
from architect_core.exceptions import RunError
from architect_core.plugins import Plugins

FLASK = """
from flask import Flask
app = Flask(__name__)
@app.get("/")
def hello():
    return "hello"
"""
FLASK_FACTORY = """
from flask import Flask
from .words import HELLO
def create_app(test=False):
    app = Flask(__name__)
    app.get("/")(lambda: HELLO)
    return app
"""
FASTAPI = """
from fastapi import FastAPI
app: FastAPI = FastAPI(docs_url=None)
@app.get("/")
def hello() -> str:
    return "hello"
"""
FASTAPI_WITH_NEIGHBOUR = """
import words
from fastapi import FastAPI
web = FastAPI()
@web.get("/")
def hello() -> str:
    return words.HELLO
"""
WORDS = 'HELLO = "hello"'
DJANGO = {
    "manage.py": """
        import os, sys
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
        from django.core.management import execute_from_command_line
        execute_from_command_line(sys.argv)
    """,
    "settings.py": """
        SECRET_KEY = "x" * 50
        DEBUG = True
        ROOT_URLCONF = "urls"
        USE_TZ = True
    """,
    "urls.py": """
        from django.http import HttpResponse
        from django.urls import path
        urlpatterns = [path("", lambda request: HttpResponse("hello"))]
    """,
}
GRPC = """
import os
from concurrent import futures
import grpc
server = grpc.server(futures.ThreadPoolExecutor())
handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"hello")
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("demo.Greeter", {"Hello": handler})])
server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
server.start()
server.wait_for_termination()
"""
PROTO = 'syntax = "proto3"; message Text { string text = 1; } service Greeter { rpc Hello (Text) returns (Text); }'
HTTP = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
REST = {"type": "rest"}
ADDRESS = "--host $HOST --port $PORT"


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def package(**content: Any) -> dict[str, str]:
    return {"package.json": json.dumps(content)}


def flask(target: str) -> str:
    return f"python -m flask --app {target} run {ADDRESS}"


# the files -> the command, and the api
FOLDERS = {
    "Flask": ({"app.py": FLASK}, flask("app:app"), REST),
    "Flask under another name": ({"shop.py": FLASK.replace("app", "web")}, flask("shop:web"), REST),
    "Flask in a package": ({"shop/__init__.py": "", "shop/web.py": FLASK}, flask("shop.web:app"), REST),
    "Flask in src": ({"src/shop/__init__.py": "", "src/shop/web.py": FLASK}, flask("src/shop/web.py:app"), REST),
    "Flask that a function makes": (
        {"shop/__init__.py": FLASK_FACTORY, "shop/words.py": WORDS},
        flask("shop:create_app"),
        REST,
    ),
    "Flask, as a module's attribute": ({"main.py": "import flask\napp = flask.Flask('x')"}, flask("main:app"), REST),
    "Flask in a condition": ({"main.py": "try:\n    app = Flask('x')\nexcept E:\n    raise"}, flask("main:app"), REST),
    "FastAPI": ({"main.py": FASTAPI}, f"python -m uvicorn main:app {ADDRESS}", REST),
    "FastAPI in a folder that is no package": (
        {"app/main.py": FASTAPI},
        f"python -m uvicorn app.main:app {ADDRESS}",
        REST,
    ),
    "FastAPI in a folder with its neighbours": (
        {"code/main.py": FASTAPI_WITH_NEIGHBOUR, "code/words.py": WORDS},
        f"python -m uvicorn --app-dir code main:web {ADDRESS}",
        REST,
    ),
    "FastAPI that a function makes": (
        {"web.py": "from fastapi import FastAPI\ndef make():\n    return FastAPI()"},
        f"python -m uvicorn --factory web:make {ADDRESS}",
        REST,
    ),
    "an object that a function of the file makes": (
        {"app/main.py": "def make(name):\n    return FastAPI(title=name)\napp = make('x')"},
        f"python -m uvicorn app.main:app {ADDRESS}",
        REST,
    ),
    "an application that serves itself": (
        {"shop.py": FLASK + "if __name__ == '__main__':\n    serve(app, os.environ['PORT'])"},
        "python shop.py",
        REST,
    ),
    "one that serves itself elsewhere": (
        {"shop.py": FLASK + "if __name__ == '__main__':\n    app.run()"},
        flask("shop:app"),
        REST,
    ),
    "a function that needs an argument makes none": (
        {"web.py": "def make(x):\n    return FastAPI()", "main.py": "print()"},
        "python main.py",
        None,
    ),
    "FastAPI with hypercorn": (
        {"main.py": FASTAPI, "requirements.txt": "fastapi\nhypercorn"},
        "python -m hypercorn --bind $HOST:$PORT main:app",
        REST,
    ),
    "Starlette": ({"main.py": "app = starlette.Starlette()"}, f"python -m uvicorn main:app {ADDRESS}", REST),
    "main.py before others": (
        {"zoo.py": FASTAPI, "main.py": FASTAPI, "a/b.py": FLASK},
        f"python -m uvicorn main:app {ADDRESS}",
        REST,
    ),
    "an object before a function": (
        {"app.py": FLASK_FACTORY, "web.py": "from flask import Flask\nweb = Flask('x')"},
        flask("web:web"),
        REST,
    ),
    "no applications of tests, environments and other services": (
        {
            "tests/app.py": FLASK,
            ".hidden/app.py": FLASK,
            "env/pyvenv.cfg": "",
            "env/app.py": FLASK,
            "other/architect.json": "{}",
            "other/app.py": FLASK,
            "server.py": "print()",
        },
        "python server.py",
        None,
    ),
    "files that are no Python": ({"app.py": "def (", "b.py": "\0", "main.py": FLASK}, flask("main:app"), REST),
    "Django": (DJANGO, "python manage.py runserver --noreload $HOST:$PORT", REST),
    "Django below": (
        {f"site one/{name}": text for name, text in DJANGO.items()},
        "python 'site one/manage.py' runserver --noreload $HOST:$PORT",
        REST,
    ),
    "grpcio": (
        {"serve.py": GRPC, "proto/a.proto": PROTO, "b.proto": "", "google/api/c.proto": ""},
        "python serve.py",
        {"type": "grpc", "definitions": ["./b.proto", "./proto/a.proto"]},
    ),
    "grpcio in a package": (
        {"shop/__init__.py": "", "shop/serve.py": "import grpc\nserver = grpc.aio.server()"},
        "python -m shop.serve",
        {"type": "grpc", "definitions": []},
    ),
    "a server of HTTP": ({"server.py": HTTP}, "python server.py", REST),
    "a script": ({"main.py": "print('hello')"}, "python main.py", None),
    "node with express": (
        package(scripts={"dev": "x", "start": "y"}, dependencies={"express": "4"}),
        "npm run dev",
        REST,
    ),
    "node with start": (package(scripts={"start": "y"}), "npm start", None),
    "node with a program": (
        package(main="src/web.js") | {"src/web.js": "http.createServer().listen(process.env.PORT)"},
        "node src/web.js",
        REST,
    ),
    "node without main": (package(name="x") | {"index.js": ""}, "node index.js", None),
    "node with grpc": (
        package(scripts={"start": "y"}, dependencies={"@grpc/grpc-js": "1"}) | {"a.proto": ""},
        "npm start",
        {"type": "grpc", "definitions": ["./a.proto"]},
    ),
    "Python before node": ({"app.py": FLASK} | package(scripts={"start": "build"}), flask("app:app"), REST),
}


@pytest.mark.parametrize("files", FOLDERS, ids=str)
def test_what_a_folder_holds_is_written_down_and_a_run_accepts_it(system: System, files: str):
    content, command, api = FOLDERS[files]
    folder = write(system.folder / "my shop", content)
    printed = system.succeeds("init", folder)
    assert printed.startswith(f"{folder}/architect.json: my-shop, a ") or '"name"' in str(content)
    manifest = json.loads((folder / "architect.json").read_text())
    assert (manifest["debug"], manifest.get("api")) == (command, api)
    nodes = load_tree(folder)
    assert nodes[0].unknown == []
    assert check(Plan(nodes, Overrides(), nodes), Plugins()) == {}


@pytest.mark.parametrize(
    "content", [{}, {"README.md": "x"}, {"lib.py": "x = 1"}, package(name="x"), {"package.json": "{"}]
)
def test_a_folder_without_anything_known_is_an_error_that_lists_what_is(system: System, content: dict[str, str]):
    folder = write(system.folder / "empty", {"file": "", **content})
    printed = system.fails("init", folder)
    assert (
        "has none of: a Django project, a Flask or FastAPI application, a server of grpcio, a package.json" in printed
    )
    assert not (folder / "architect.json").exists()


def test_an_existing_manifest_is_not_changed(system: System):
    folder = write(system.folder / "shop", {"app.py": FLASK, "architect.json": "mine"})
    assert f"{folder}/architect.json exists already, and is not changed" in system.fails("init", folder)
    assert (folder / "architect.json").read_text() == "mine"
    (folder / "architect.json").unlink()
    (folder / "architect.json").symlink_to("nowhere")
    assert "exists already" in system.fails("init", folder)
    assert "is no folder" in system.fails("init", system.folder / "nowhere")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "my-folder-1"),
        ({"pyproject.toml": '[project]\nname = "Acme.Shop"'}, "Acme-Shop"),
        (package(name="@acme/shop"), "acme/shop"),
        (package(name="café-à"), "cafe-a"),
        (package(name="服务"), "my-folder-1"),
        (package(name="shop"), "shop"),
        ({"pyproject.toml": '[project]\nname = "one"', **package(name="two")}, "one"),
        ({"pyproject.toml": "[tool.x]", **package(name=7)}, "my-folder-1"),
        ({"pyproject.toml": "[", "package.json": "["}, "my-folder-1"),
        ({"pyproject.toml": "project = 1"}, "my-folder-1"),
    ],
)
def test_a_service_has_the_name_of_the_project_else_of_its_folder(tmp_path: Path, files: dict[str, str], expected: str):
    folder = tmp_path / "my folder (1)"
    folder.mkdir()
    assert name_of(write(folder, files)) == expected


def test_a_name_may_be_stated_and_must_be_one(system: System):
    folder = write(system.folder / "shop", {"app.py": FLASK})
    assert "name: a name has letters" in system.fails("init", folder, "--name", "a b")
    system.succeeds("init", "--name", "acme/web", cwd=folder)
    assert json.loads((folder / "architect.json").read_text())["name"] == "acme/web"


@pytest.mark.parametrize(
    ("files", "note"),
    [
        (
            {"main.py": "import grpc\nserver = grpc.server(None)\nserver.add_insecure_port('[::]:50051')"},
            "main.py reads no",
        ),
        ({"server.py": "import http.server\nhttp.server.HTTPServer(('', 80), None)"}, "server.py reads no PORT"),
        (package(dependencies={"express": "4"}) | {"index.js": "app.listen(3000)"}, "index.js reads no PORT"),
        ({"main.py": FASTAPI, "admin.py": FASTAPI}, "there is also app in admin.py"),
    ],
)
def test_what_is_left_to_do_is_noted(tmp_path: Path, files: dict[str, str], note: str):
    assert [each for each in detect(write(tmp_path, files)).notes if note in each] != []


def test_a_folder_is_not_searched_without_an_end(tmp_path: Path):
    write(tmp_path, {"a/b/c/d/e/app.py": FLASK})
    with pytest.raises(RunError):
        detect(tmp_path)


@contextlib.contextmanager
def served(system: System, folder: Path) -> Iterator[str]:
    """The address of the service in the folder, which runs."""
    system.succeeds("init", folder)
    running = system.start("run", folder, PYTHONDONTWRITEBYTECODE="1").wait_for(" is ready at ")
    found = re.search(r" is ready at (\S+);", running.printed())
    assert found is not None
    yield found[1]
    assert running.ends(signal.SIGINT) == 130
    system.assert_nothing_is_left()


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": FLASK},
        {"src/shop/__init__.py": FLASK_FACTORY, "src/shop/words.py": WORDS},
        {"main.py": FASTAPI},
        {"code/main.py": FASTAPI_WITH_NEIGHBOUR, "code/words.py": WORDS},
        DJANGO,
        {"server.py": HTTP},
    ],
    ids=["Flask", "Flask in src, by a function", "FastAPI", "FastAPI with a neighbour", "Django", "http.server"],
)
def test_what_was_written_runs(system: System, files: dict[str, str]):
    with (
        served(system, write(system.folder / "shop", files)) as address,
        urllib.request.urlopen(address, timeout=30) as answer,
    ):
        assert b"hello" in answer.read()


def test_a_server_of_grpcio_runs(system: System):
    with (
        served(system, write(system.folder / "shop", {"serve.py": GRPC})) as address,
        grpc.insecure_channel(address) as channel,
    ):
        assert channel.unary_unary("/demo.Greeter/Hello")(b"", timeout=30) == b"hello"
