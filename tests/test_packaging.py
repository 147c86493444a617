"""What is built and installed is what was meant to be."""

from __future__ import annotations

import re
import subprocess
import zipfile

import pytest
from conftest import PACKAGES, clean_environ, new_environment


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_has_its_types_its_license_and_no_tests(wheels, package):
    names = zipfile.ZipFile(wheels[package]).namelist()
    assert f"architect_{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if re.search(r"(^|/)(tests?/|test_|conftest\.py)", name)]
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        f"architect_{package}",
        *(["architect"] if package == "core" else []),
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_wheel_makes_architect_a_package_that_hides_the_facade(wheels, package):
    assert "architect/__init__.py" not in zipfile.ZipFile(wheels[package]).namelist()


def test_pip_alone_installs_core_and_rest_and_no_grpc(wheels, tmp_path):
    pip = new_environment(tmp_path / "venv")
    command = [*pip, "install", str(wheels["core"]), str(wheels["rest"])]
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
    done = subprocess.run([pip[0], "-c", program], capture_output=True, text=True, check=True, env=clean_environ())
    assert done.stdout.splitlines() == [
        "RestClient None",
        "service 'p': no installed plugin serves 'grpc'; installed: rest. pip install architect-grpc",
    ]
