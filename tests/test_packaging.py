"""The content of the wheels, and installing them with pip."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from environments import uv
from workspace import PACKAGES, clean_environ


def names_in(wheels: Path, package: str) -> list[str]:
    return zipfile.ZipFile(next(wheels.glob(PACKAGES[package].wheel))).namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_has_its_types_its_license_and_no_tests(wheels, package):
    names = names_in(wheels, package)
    assert {f"{module}/py.typed" for module in PACKAGES[package].modules - {"architect"}} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    own = [name for name in names if "/template/" not in name]  # the template of a plugin has tests
    assert not [name for name in own if re.search(r"(^|/)(tests?/|test_|conftest\.py)", name)]
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == PACKAGES[package].modules


@pytest.mark.parametrize("package", PACKAGES)
def test_no_wheel_makes_architect_a_package_that_hides_the_facade(wheels, package):
    assert "architect/__init__.py" not in names_in(wheels, package)


@pytest.mark.exhaustive
def test_pip_alone_installs_core_and_rest_and_no_grpc(wheels, tmp_path):
    folder = tmp_path / "environment"
    uv("venv", "--seed", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    ours = [next(wheels.glob(PACKAGES[package].wheel)) for package in ("core", "rest")]
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile", *ours]
    subprocess.run(command, check=True, env=clean_environ(), timeout=300)
    program = """
import importlib.util, architect.sdk as a
a.configure({"acme/billing": {"host": "b", "port": 1, "api": "rest"}, "p": {"host": "p", "port": 1, "api": "grpc"}})
print(type(a.service("acme/billing").client).__name__, importlib.util.find_spec("grpc"))
try:
    a.service("p").client
except a.NoPluginError as problem:
    print(problem)
"""
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, env=clean_environ())
    assert done.stdout.splitlines() == [
        "RestClient None",
        "service 'p': no installed plugin serves 'grpc'; installed: rest. pip install architect-grpc",
    ]
