"""`import architect.sdk` is small, cheap, and complete."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import architect.sdk as architect
import architect_core
from architect_core import exceptions
from architect_core._base import files

HEAVY = ("requests", "urllib3", "grpc", "google.protobuf", "pydantic", "pluggy", "importlib.metadata")


def test_importing_the_facade_imports_nothing_heavy():
    program = f"import sys, architect.sdk; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_exported_name_exists_and_is_sorted():
    assert architect.__all__ == sorted(architect.__all__)
    assert set(architect.__all__) <= set(dir(architect))
    for name in architect.__all__:
        assert getattr(architect, name) is not None


def test_an_unreadable_entry_of_sys_path_is_ignored_by_the_search_of_the_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/" + "x" * 300)
    files.search_root()


def test_every_error_is_exported_and_is_an_architect_error():
    errors = {
        name: value
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and value.__module__ == exceptions.__name__
    }
    assert set(errors) <= set(architect.__all__)
    assert all(issubclass(error, architect.ArchitectError) for error in errors.values())
    drawn = exceptions.__doc__.replace("(", " ")
    assert all(name in drawn for name in errors)


@pytest.mark.parametrize(
    "error",
    [
        architect.ConfigError("the environment", [("a.port", "is wrong"), ("a.host", "is empty")]),
        architect.UnknownServiceError("acme/a", ["acme/b"]),
        architect.NoPluginError("grpc", ["rest"], "service 'a'"),
        architect.PayloadError("it holds NaN"),
    ],
)
def test_an_error_can_be_pickled_and_copied_as_process_pools_do(error):
    for clone in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(clone), str(clone), vars(clone)) == (type(error), str(error), vars(error))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'servise'"):
        _ = architect.servise


def test_nothing_makes_the_namespace_a_package_of_its_own():
    assert not (Path(architect.__file__).parent.parent / "__init__.py").exists()


MODULES = [each.name for each in pkgutil.walk_packages(architect_core.__path__, "architect_core.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name):
    try:
        module = importlib.import_module(name)
    except ImportError as problem:
        assert f"{name} is now" in str(problem)  # noqa: PT017 - a module that moved, and has no examples
    else:
        assert doctest.testmod(module).failed == 0


def test_the_service_s_folder_is_found_upward_from_the_program(tmp_path):
    (tmp_path / "service" / "src").mkdir(parents=True)
    (tmp_path / "service" / "architect.json").write_text('{"name": "a"}')
    program = tmp_path / "service" / "src" / "main.py"
    program.write_text("from architect_core.contract import find_root; print(find_root())")
    done = subprocess.run([sys.executable, str(program)], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "service")


def test_the_service_s_folder_is_found_upward_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "architect_services").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert files.find_root() == tmp_path


def test_the_environment_names_the_service_s_folder_before_all(tmp_path, monkeypatch):
    monkeypatch.setenv(files.ROOT_VARIABLE, str(tmp_path))
    assert files.find_root() == tmp_path


def test_without_a_service_s_folder_the_error_names_architect_install(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(architect.StubError, match="architect install"):
        files.find_root()
