"""The tree of a service's `file:` dependencies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_system import System

from architect_cli.planning.tree import load_tree
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
    assert node.known_as == {"a/nickname": base, "a/base": base}


@pytest.mark.parametrize(
    ("own", "keys", "known"),
    [
        ({"x": "a/one"}, {"a/one": "x"}, {"a/one": "x"}),
        ({"x": "a/one"}, {"a/uno": "x"}, {"a/uno": "x", "a/one": "x"}),
        ({"x": "a/one", "y": "a/two"}, {"a/two": "x", "a/one": "y"}, {"a/two": "x", "a/one": "y"}),
        ({"x": "a/one", "y": "a/two"}, {"a/two": "x", "a/three": "y"}, {"a/two": "x", "a/three": "y", "a/one": "x"}),
        ({"x": "a/root-x"}, {"a/uno": "x"}, {"a/uno": "x", "a/root-x": "x"}),
        ({"x": "a"}, {"b": "x"}, {"b": "x"}),  # the stubs of "a" would lie around those of a/root
        ({"x": "b/one"}, {"b": "x"}, {"b": "x"}),
        ({"x": "A/Root"}, {"b": "x"}, {"b": "x"}),  # the same folder as a/root, for some file systems
        ({"x": "a-b/one"}, {"c": "x", "a-b/ONE": "2.0"}, {"c": "x"}),
    ],
)
def test_a_dependency_answers_to_the_name_in_its_own_manifest_too_unless_another_one_has_it(
    system: System, own: dict[str, str], keys: dict[str, str], known: dict[str, str]
):
    wanted = {key: folder if folder[0].isdigit() else f"file:../{folder}" for key, folder in keys.items()}
    root = system.service("a/root", dependencies=wanted)
    for folder, name in own.items():
        system.service(name, folder=folder)
    found = load_tree(root)[-1].known_as
    assert {name: node.folder.name for name, node in found.items()} == known


def test_a_dependency_by_version_is_noted_and_not_followed(system: System):
    (node,) = load_tree(system.service("a/root", dependencies={"a/base": "1.2.0"}))
    assert node.versions == {"a/base": "1.2.0"}
    assert node.dependencies == {}


@pytest.mark.parametrize("path", ["base/other.json", "base/architect.json", "base"])
def test_a_dependency_s_path_may_be_that_of_its_manifest(system: System, path: str):
    root = system.service("a/root", dependencies={"a/base": f"file:../{path}"})
    base = system.service("a/base")
    (base / "other.json").write_text('{"name": "a/base", "strat": 1, "dependencies": {"a/next": "file:../next"}}')
    system.service("a/next")
    *_, found, node = load_tree(root)
    assert node.dependencies["a/base"] is found
    is_other = path.endswith("other.json")
    assert (found.folder, found.where.rpartition("/")[2]) == (base, "other.json" if is_other else "architect.json")
    assert ([each.name for each in found.dependencies.values()], len(found.unknown)) == (
        (["a/next"], 1) if is_other else ([], 0)
    )


@pytest.mark.parametrize(
    ("wanted", "stated", "expected"),
    [
        ("1.2.0", {("a/base", "1.2.0"): "other"}, "other"),
        ("latest", {("a/base", "latest"): "other"}, "other"),
        ("file:../base", {("a/base", ""): "other"}, "other"),
        ("file:../base", {("a/own", "0.1.0"): "other"}, "other"),
        ("file:../base", {}, "base"),
        ("file:../nowhere", {("a/base", ""): "other"}, "other"),
    ],
)
def test_a_folder_that_is_stated_replaces_the_version_or_the_folder_in_the_manifest(
    system: System, wanted: str, stated: dict[tuple[str, str], str], expected: str
):
    root = system.service("a/root", dependencies={"a/base": wanted})
    system.service("a/own", folder="base", version="0.1.0")
    system.service("a/own", folder="other", version="0.1.0")

    def folder_of(name: str, version: str) -> Path | None:
        found = stated.get((name, version))
        return None if found is None else system.folder / found

    base, node = load_tree(root, folder_of=folder_of)
    assert base.folder == system.folder / expected
    assert node.dependencies == {"a/base": base}
    assert node.versions == {}


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
        ("file:../root/notes.txt", "this is a file"),
        ("file:../round", "cannot be read"),
        ("file:a\0b", "cannot be read"),
    ],
)
def test_a_dependency_s_folder_that_cannot_be_read_is_an_error_that_names_the_manifest(
    system: System, wanted: str, reason: str
):
    root = system.service("a/root", dependencies={"a/base": wanted})
    (system.folder / "empty").mkdir()
    (root / "notes.txt").touch()
    (system.folder / "round").symlink_to("round")
    with pytest.raises(ManifestError, match=r"dependencies\.a/base: ") as caught:
        load_tree(root)
    assert str(root / "architect.json") in str(caught.value)
    assert reason in str(caught.value)


def test_a_mistake_in_a_dependency_s_manifest_is_an_error_with_that_manifest_s_path(system: System):
    root = system.service("a/root", dependencies={"a/base": "file:../base"})
    base = system.service("a/base", dependencies=[])
    with pytest.raises(ManifestError, match="dependencies: must be a JSON object") as caught:
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
