"""What a folder holds that `architect run` can start, and the manifest for it."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from architect_cli.sources import files_of, modules_of
from architect_core.contract import SERVICE_NAME
from architect_core.exceptions import RunError

if TYPE_CHECKING:
    from architect_cli.sources import Application, Module

_REST = {"type": "rest"}
_PROGRAMS = ("main.py", "app.py", "server.py")  # which a run starts without `debug`
_ASGI = ("FastAPI", "Starlette")
_SERVERS_OF_HTTP = frozenset({"aiohttp", "bottle", "cherrypy", "falcon", "http", "sanic", "tornado", "wsgiref"})
_NODE_REST = ("express", "fastify", "koa", "@hapi/hapi", "@nestjs/core", "next", "hono", "restify")
_NODE_GRPC = ("@grpc/grpc-js", "grpc")
_NODE_PROGRAMS = ("index.js", "server.js", "app.js", "main.js")
_NO_ADDRESS = "reads no PORT: let it listen on the address in the variables HOST and PORT"


@dataclass(frozen=True)
class Detected:
    """What was found.

    Attributes:
        what: such as "a Flask application (app.py)".
        manifest: the content of `architect.json` but for its name.
        notes: what is left to do.
    """

    what: str
    manifest: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def detect(folder: Path) -> Detected:
    """Returns what is found in a folder; nothing is imported or run. Raises RunError if it is nothing known."""
    modules = modules_of(folder)
    applications = [each for module in modules for each in module.applications((*_ASGI, "Flask"))]
    found = (
        _django(modules)
        or _application(folder, sorted(applications, key=lambda each: each.is_factory))
        or _grpc(folder, modules)
        or _node(folder)
        or _program(modules)
    )
    if found is None:
        raise RunError(
            f"{folder} has none of: a Django project, a Flask or FastAPI application, a server of grpcio, a "
            f"package.json, {', '.join(_PROGRAMS)}. Write architect.json by hand: it needs a `name`, and `debug`, the "
            "command that starts the service"
        )
    return found


def name_of(folder: Path) -> str:
    """A name for the service: that of the project in pyproject.toml or package.json, else that of the folder."""
    project = _toml(folder / "pyproject.toml").get("project")
    stated = project.get("name") if isinstance(project, dict) else None
    for name in (stated, _json(folder / "package.json").get("name"), folder.resolve().name):
        if isinstance(name, str):
            plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()  # without accents
            parts = [re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-_") for part in plain.removeprefix("@").split("/")]
            if SERVICE_NAME.fullmatch(found := "/".join(parts[-2:])):
                return found
    return "service"


def _django(modules: list[Module]) -> Detected | None:
    for module in modules:
        if module.path.name == "manage.py" and "DJANGO_SETTINGS_MODULE" in module.text:
            command = f"python {shlex.quote(str(module.path))} runserver --noreload $HOST:$PORT"
            return Detected(f"a Django project ({module.path})", _python(command, _REST))
    return None


def _application(folder: Path, applications: list[Application]) -> Detected | None:
    if not applications:
        return None
    chosen = applications[0]
    base, module = chosen.module.location
    notes = [
        f"there is also {each.name} in {each.module.path}"
        for each in applications[1:]
        if not each.is_factory and not chosen.is_factory
    ]
    target = f"{module}:{chosen.name}"
    what = f"a {chosen.framework} application ({chosen.name}{'()' * chosen.is_factory} in {chosen.module.path})"
    if chosen.module.serves_itself:
        return Detected(what, _python(f"python {_program_of(chosen.module)}", _REST), notes)
    if chosen.framework == "Flask":
        path = chosen.module.path.parent if chosen.module.path.name == "__init__.py" else chosen.module.path
        target = target if base == Path() else f"{path}:{chosen.name}"
        command = f"python -m flask --app {shlex.quote(target)} run --host $HOST --port $PORT"
    else:
        command = _asgi(folder, base, target, is_factory=chosen.is_factory)
    return Detected(what, _python(command, _REST), notes)


def _asgi(folder: Path, base: Path, target: str, *, is_factory: bool) -> str:
    """The command of the server of ASGI that the project requires, uvicorn if it names none."""
    required = _requirements(folder)
    if "hypercorn" in required and "uvicorn" not in required and base == Path():
        return f"python -m hypercorn --bind $HOST:$PORT {shlex.quote(target + '()' * is_factory)}"
    options = ["--factory"] * is_factory + ([] if base == Path() else ["--app-dir", shlex.quote(str(base))])
    return " ".join(["python -m uvicorn", *options, shlex.quote(target), "--host $HOST --port $PORT"])


def _grpc(folder: Path, modules: list[Module]) -> Detected | None:
    servers = [module for module in modules if module.calls("grpc.server", "grpc.aio.server", "aio.server")]
    if not servers:
        return None
    module = servers[0]
    notes = [] if "PORT" in module.text else [f"{module.path} {_NO_ADDRESS}"]
    return Detected(
        f"a server of grpcio ({module.path})", _python(f"python {_program_of(module)}", _grpc_api(folder)), notes
    )


def _program_of(module: Module) -> str:
    """The arguments of Python that run a module, which is one of a package or a file."""
    base, name = module.location
    return f"-m {name}" if "." in name and base == Path() else shlex.quote(str(module.path))


def _grpc_api(folder: Path) -> dict[str, Any]:
    files = [path for path in files_of(folder, "*.proto") if "google" not in path.parts]
    return {"type": "grpc", "definitions": [f"./{path.as_posix()}" for path in files]}


def _node(folder: Path) -> Detected | None:
    package = _json(folder / "package.json")
    if not package:
        return None
    scripts = package["scripts"] if isinstance(package.get("scripts"), dict) else {}
    required = package["dependencies"] if isinstance(package.get("dependencies"), dict) else {}
    main = package.get("main")
    programs = [name for name in (main, *_NODE_PROGRAMS) if isinstance(name, str) and (folder / name).is_file()]
    if "dev" in scripts:
        command = "npm run dev"
    elif "start" in scripts:
        command = "npm start"
    elif programs:
        command = f"node {shlex.quote(programs[0])}"
    else:
        return None
    text = (folder / programs[0]).read_text(encoding="utf-8", errors="replace") if programs else ""
    manifest: dict[str, Any] = {"language": "node", "debug": command}
    if any(name in required for name in _NODE_REST) or "createServer" in text:
        manifest["api"] = _REST
    elif any(name in required for name in _NODE_GRPC):
        manifest["api"] = _grpc_api(folder)
    notes = [f"{programs[0]} {_NO_ADDRESS}"] if "api" in manifest and text and "PORT" not in text else []
    return Detected(f"a program of node ({command})", manifest, notes)


def _program(modules: list[Module]) -> Detected | None:
    module = next((each for each in modules if str(each.path) in _PROGRAMS), None)
    if module is None:
        return None
    is_server = not _SERVERS_OF_HTTP.isdisjoint(module.imported())
    notes = [f"{module.path} {_NO_ADDRESS}"] if is_server and "PORT" not in module.text else []
    what = "a server of HTTP" if is_server else "a script"
    return Detected(f"{what} ({module.path})", _python(f"python {module.path}", _REST if is_server else None), notes)


def _python(command: str, api: dict[str, Any] | None) -> dict[str, Any]:
    return {"language": "python", "debug": command, "api": api}


def _requirements(folder: Path) -> str:
    files = [folder / "pyproject.toml", *sorted(folder.glob("requirements*.txt"))]
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
