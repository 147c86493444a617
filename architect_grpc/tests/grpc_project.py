"""Services with definitions, and their stubs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from architect_core.contract import Definitions, stub_folder
from architect_core.resolver import Resolver
from architect_grpc.generator import GrpcStubGenerator
from architect_grpc.protoc import compiler_root, run_compiler


class Project:
    """A folder with the stubs of some services, and their configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.services = self.root / "architect_services"
        self.services.mkdir(parents=True)
        self.config: dict[str, Any] = {}
        self._stubs: dict[str, Path] = {}
        self._generator = GrpcStubGenerator()

    def define(self, service: str, files: Mapping[str, str], listed: list[str] | None = None) -> Definitions:
        """Write the definition files of `service`, whose manifest lists the first of them unless `listed` is passed."""
        folder = self.folder / "definitions" / service
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if text.startswith("edition") else f'syntax = "proto3";\n{text}')
        return Definitions(service, folder, tuple(listed or [f"./{next(iter(files))}"]))

    def install(self, service: str, files: Mapping[str, str], listed: list[str] | None = None) -> list[str]:
        """Generate the stubs as `architect install` does, and return its notes."""
        stubs = self._stubs[service] = self.services / stub_folder(service)
        for name, content in self._generator.generate(self.define(service, files, listed)).items():
            path = stubs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for folder in [self.services, stubs, *self.services.rglob("*/")]:
            if folder.is_dir():
                (folder / "__init__.py").touch()
        self.config[service] = {"host": "127.0.0.1", "port": 1, "api": "grpc"}
        return self._generator.finish(self._stubs, self.services)

    def distribution(self, name: str, files: Mapping[str, str], *, recorded: bool = True) -> Path:
        """A folder for `sys.path` with the modules that protoc generates, installed as the distribution `name`."""
        folder = self.define(f"{name}-source", files).folder
        site = self.folder / name
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        run_compiler(f"-I{folder}", f"-I{compiler_root()}", f"--python_out={site}", *files)
        modules = [path.relative_to(site).as_posix() for path in site.rglob("*_pb2.py")]
        if recorded:
            (info / "RECORD").write_text("".join(f"{module},sha256=0,1\n" for module in modules))
        return site

    def resolver(self, current: str | None = None, **ports: int) -> Resolver:
        """A resolver of all services; `ports` are of those whose name has no slash."""
        config = {name: entry | ({"port": ports[name]} if name in ports else {}) for name, entry in self.config.items()}
        return Resolver(config, current_service=current, root=self.root)
