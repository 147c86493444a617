"""Installing `architect-sdk` with its extras, the README's lines, and an upgrade from architect.sdk 0.2.1."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from workspace import PACKAGES, ROOT, clean_environ

SDK = tomllib.loads((ROOT / "architect_sdk" / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
OURS = sorted(each.distribution for each in PACKAGES.values())
MIGRATION = (ROOT / "docs" / "how-to" / "migrate-from-0.2.1.md").read_text()
INSTALLED = """
from importlib.metadata import distributions
names = {each.name for each in distributions()}
print(*sorted(name for name in names if name.startswith("architect-")), "grpcio" in names, "requests" in names)
"""
REST = """
import architect.sdk as architect
architect.configure({"acme/billing": {"host": "billing", "port": 80, "api": "rest"}})
print(type(architect.service("acme/billing").client).__name__)
"""
WITHOUT_FACADE = """
from architect_core.resolver import Resolver
resolver = Resolver({"acme/billing": {"host": "billing", "port": 80, "api": "rest"}})
print(type(resolver.service("acme/billing").client).__name__)
"""
GRPC = """
from architect_core.contract import ClientFactory
from architect_core.plugins import Plugins
print(type(Plugins().get(ClientFactory, "grpc", "the test")).__name__)
"""
DATASTORE = """
import architect.sdk as architect
entry = {"datastores": {"db": {"type": "postgres", "host": "db"}}}
architect.configure({"acme/shop": entry}, current_service="acme/shop")
print(architect.datastore("db").url)
"""


class Environment:
    """A fresh environment in which pip and uv find the wheels of this repository."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        (folder / "dist").symlink_to(wheels)
        self.environ = clean_environ() | {
            "PATH": os.pathsep.join([str(folder / "venv" / "bin"), os.environ.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(folder / "venv"),
            "UV_FIND_LINKS": str(wheels),
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",
            "PIP_NO_INDEX": "1",  # what is not ours was installed by `install_requirements`
            "PIP_NO_BUILD_ISOLATION": "0",  # pip inverts it: "0" is no isolation
        }
        self.shell(f"uv venv --quiet --seed --python {sys.executable} venv")

    def install_requirements(self, requirement: str) -> None:
        """Install what a distribution of ours requires, without ours: uv does this much faster than pip."""
        self.shell(f"uv pip install --quiet '{requirement}' hatchling")
        self.shell(f"uv pip uninstall --quiet {' '.join(OURS)}")

    def shell(self, command: str) -> None:
        """Run a command line."""
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"

    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program."""
        command = ["python", "-c", program]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )

    def output(self, program: str) -> str:
        """Return what a Python program prints."""
        done = self.run(program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def fresh(tmp_path: Path, wheels: Path) -> Environment:
    return Environment(tmp_path, wheels)


def pip_lines(page: str) -> list[str]:
    """The lines with pip in blocks without a language, in order."""
    text = "\n".join(re.findall(r"^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    return [line for line in text.splitlines() if line.startswith("pip ") and " uv " not in line]


def test_a_requirement_of_architect_sdk_prefers_it_to_0_2_1():
    assert SDK["name"] == "architect-sdk"
    assert tuple(map(int, SDK["version"].split("."))) > (0, 2, 1)


def test_architect_sdk_with_all_extras_requires_every_package_of_the_workspace():
    extras = SDK["optional-dependencies"]
    texts = [*SDK["dependencies"], *(text for texts in extras.values() for text in texts)]
    required = {re.split(r"[\[>]", text)[0] for text in texts}
    assert required == set(OURS)
    itself = next(text for text in extras["all"] if text.startswith("architect-sdk["))
    assert set(itself.removeprefix("architect-sdk[").removesuffix("]").split(",")) == set(extras) - {"all"}


def test_the_readme_builds_the_wheels_as_the_tests_do():
    assert "\nuv build --all-packages --wheel --out-dir dist\n" in README


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("extra", "installed", "program", "printed"),
    [
        ("rest", "architect-core architect-rest architect-sdk architect-sources False True", REST, "RestClient"),
        ("grpc", "architect-core architect-grpc architect-sdk architect-sources True False", GRPC, "GrpcClientFactory"),
        (
            "datastore",
            "architect-core architect-datastore architect-sdk architect-sources False False",
            DATASTORE,
            "postgresql://db:5432/",
        ),
    ],
)
def test_an_extra_installs_what_it_names_and_no_other_protocol(fresh, extra, installed, program, printed):
    fresh.shell(f"uv pip install --quiet 'architect-sdk[{extra}]'")
    assert fresh.output(INSTALLED) == installed
    assert fresh.output(program) == printed


@pytest.mark.exhaustive
def test_the_extra_all_installs_everything(fresh):
    fresh.shell("uv pip install --quiet 'architect-sdk[all]'")
    assert fresh.output(INSTALLED) == f"{' '.join(OURS)} True True"
    assert [fresh.output(program) for program in (REST, GRPC, DATASTORE)] == [
        "RestClient",
        "GrpcClientFactory",
        "postgresql://db:5432/",
    ]
    fresh.shell("architect plugins && architect run --help")


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", [line for line in pip_lines(README) if "dist" in line])
def test_a_line_of_the_readme_installs_from_a_folder_of_wheels(fresh, line):
    fresh.install_requirements("architect-sdk[all]")
    fresh.environ.pop("PIP_FIND_LINKS")
    fresh.shell(line)
    extras = re.search(r"\[(.*?)\]", line)
    assert extras is not None
    assert fresh.output(REST if "rest" in extras[1] else GRPC)


@pytest.mark.exhaustive
@pytest.mark.parametrize("line", [line for line in pip_lines(README) if "./" in line])
def test_a_line_of_the_readme_installs_from_a_clone(fresh, tmp_path, line):
    for word in shlex.split(line):
        if word.startswith("./"):
            shutil.copytree(ROOT / word, tmp_path / word, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    fresh.install_requirements("architect-sdk[rest]")
    fresh.environ.pop("PIP_FIND_LINKS")
    fresh.shell(line)
    assert fresh.output(REST) == "RestClient"


def test_every_line_of_the_readme_with_pip_is_tested():
    assert len(pip_lines(README)) == len([line for line in pip_lines(README) if "dist" in line or "./" in line]) == 3


INSTALL_0_2_1 = "uv pip install --quiet architect-sdk==0.2.1"
UPGRADES = {
    "pip upgrades 0.2.1": [INSTALL_0_2_1, "pip install --upgrade 'architect-sdk[rest]'"],
    "uv upgrades 0.2.1": [INSTALL_0_2_1, "uv pip install --quiet --upgrade 'architect-sdk[rest]'"],
    "0.2.1 is uninstalled": [INSTALL_0_2_1, "pip install architect-rest", "pip uninstall --yes architect-sdk"],
    "0.2.1 is installed later and upgraded": [
        "pip install 'architect-sdk[rest]'",
        INSTALL_0_2_1,
        "pip install --upgrade architect-sdk",
    ],
    "the line of the migration page": [INSTALL_0_2_1, *pip_lines(MIGRATION)],
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", UPGRADES)
def test_an_upgrade_from_0_2_1_leaves_the_facade_of_architect_core(fresh, case):
    fresh.install_requirements("architect-sdk[rest]")
    for line in UPGRADES[case]:
        fresh.shell(line)
    assert fresh.output(REST) == "RestClient"


@pytest.mark.exhaustive
def test_0_2_1_hides_architect_core_s_module_until_the_line_that_a_plugin_names_is_run(fresh):
    fresh.install_requirements("architect-sdk[rest]")
    for line in [INSTALL_0_2_1, "pip install architect-rest"]:
        fresh.shell(line)
    assert "has no attribute 'configure'" in fresh.run(REST).stderr
    fresh.shell(fresh.run(WITHOUT_FACADE).stderr.splitlines()[-1].partition(" run: ")[2])
    assert fresh.output(REST) == "RestClient"
