"""The tree of a service's `file:` dependencies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_system import System

from architect_cli.tree import load_tree
from architect_core.exceptions import ArchitectError, ManifestError, RunError


def names(folder: Path) -> list[str]:
    return [node.name for node in load_tree(folder)]


def test_dependencies_come_before_their_dependents_and_the_service_itself_last(system: System):
    root = system.service("a/root", dependencies={"a/left": "file:../left", "a/right": "file:../right"})
    system.service("a/left", dependencies={"a/base": "file:../base"})
    system.service("a/right", dependencies={"a/base": "file:../base"})
    system.service("a/base")
    assert names(root) == ["a/base", "a/left", "a/right", "a/root"]


def test_a_dependency_that_two_share_is_one_node(system: System):
    root = system.service("a/root", dependencies={"a/left": "file:../left", "a/base": "file:./../base/"})
    system.service("a/left", dependencies={"a/base": "file:../base"})
    system.service("a/base")
    base, left, node = load_tree(root)
    assert left.dependencies["a/base"] is base is node.dependencies["a/base"]


def test_a_cycle_is_cut_where_it_would_close(system: System):
    first = system.service("a/first", dependencies={"a/second": "file:../second"})
    system.service("a/second", dependencies={"a/first": "file:../first"})
    second, node = load_tree(first)
    assert (second.name, node.name) == ("a/second", "a/first")
    assert second.dependencies["a/first"] is node


def test_a_service_may_depend_on_itself(system: System):
    (node,) = load_tree(system.service("a/self", dependencies={"a/self": "file:."}))
    assert node.dependencies["a/self"] is node


def test_a_dependency_may_be_called_otherwise_than_its_manifest_says(system: System):
    root = system.service("a/root", dependencies={"a/nickname": "file:../base"})
    system.service("a/base")
    base, node = load_tree(root)
    assert base.name == "a/base"
    assert node.dependencies == {"a/nickname": base}


def test_a_dependency_by_version_is_noted_and_not_followed(system: System):
    (node,) = load_tree(system.service("a/root", dependencies={"a/base": "1.2.0"}))
    assert node.versions == {"a/base": "1.2.0"}
    assert node.dependencies == {}


def test_two_services_with_one_name_are_an_error_that_names_both_folders(system: System):
    root = system.service("a/root", dependencies={"a/one": "file:../one", "a/two": "file:../two"})
    one, two = system.service("a/same", folder="one"), system.service("a/same", folder="two")
    with pytest.raises(RunError, match="two services are named 'a/same'") as caught:
        load_tree(root)
    assert str(one) in str(caught.value)
    assert str(two) in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("file:../nowhere", "no such folder"),
        ("file:../empty", "this folder has no architect.json"),
        ("file:../root/architect.json", "this is a file"),
        ("file:../round", "cannot be read"),
        ("file:a\0b", "cannot be read"),
    ],
)
def test_a_dependency_s_folder_that_cannot_be_read_is_an_error_that_names_the_manifest(
    system: System, wanted: str, reason: str
):
    root = system.service("a/root", dependencies={"a/base": wanted})
    (system.folder / "empty").mkdir()
    (system.folder / "round").symlink_to("round")
    with pytest.raises(ManifestError, match=r"dependencies\.a/base: ") as caught:
        load_tree(root)
    assert str(root / "architect.json") in str(caught.value)
    assert reason in str(caught.value)


def test_a_mistake_in_a_dependency_s_manifest_is_an_error_with_that_manifest_s_path(system: System):
    root = system.service("a/root", dependencies={"a/base": "file:../base"})
    base = system.service("a/base", depndencies={})
    with pytest.raises(ManifestError, match="did you mean 'dependencies'") as caught:
        load_tree(root)
    assert str(caught.value).startswith(str(base / "architect.json"))


def test_folders_with_spaces_and_other_scripts_are_found(system: System):
    root = system.service("a/root", folder="my röot 根", dependencies={"a/base": "file:../the base ü"})
    system.service("a/base", folder="the base ü")
    assert names(root) == ["a/base", "a/root"]


def test_a_folder_reached_through_a_link_is_the_folder_itself(system: System):
    root = system.service("a/root", dependencies={"a/one": "file:../base", "a/two": "file:../link"})
    base = system.service("a/base")
    (system.folder / "link").symlink_to(base)
    assert names(root) == ["a/base", "a/root"]


def test_the_working_directory_may_be_named_relatively(system: System, monkeypatch: pytest.MonkeyPatch):
    root = system.service("a/root")
    monkeypatch.chdir(root)
    assert load_tree(Path())[0].folder == Path(os.path.realpath(root))


@pytest.mark.parametrize("folder", ["nowhere", "reports"])
def test_a_folder_without_a_manifest_is_an_error(system: System, folder: str):
    with pytest.raises(ArchitectError, match=r"no such folder|has no architect\.json"):
        load_tree(system.folder / folder)
