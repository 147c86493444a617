"""An installation of which nothing has changed is recognised without its generators, and any change is noticed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_system import TOY_GENERATOR, System

LOGGING = """
class Logging(Toy):
    def checksum(self, definitions):
        with open({log!r}, "a") as log:
            log.write("asked ")
        return super().checksum(definitions)

    def inputs(self, definitions):
        return [*(str(definitions.folder / file) for file in definitions.files), str(definitions.folder / "imported")]

TOY = Logging()
"""


@pytest.fixture
def log(system: System) -> Path:
    """Where the generator writes when it is asked for a checksum."""
    path = system.folder / "log"
    (system.site / "__pycache__").mkdir()  # else importing the plugin would change the folder
    system.plugin("toy", TOY_GENERATOR.replace("TOY = Toy()\n", LOGGING.format(log=str(path))))
    return path


@pytest.fixture
def root(system: System, log: Path) -> Path:
    folder = system.service("acme/orders", api={"type": "toy", "definitions": ["*.toy"]})
    (folder / "service.toy").write_text("odd")
    (folder / "imported").mkdir()
    return folder


@pytest.fixture
def install(system: System, root: Path, log: Path) -> Callable[[], tuple[str, int]]:
    """Installs, and returns what is printed, and how often the generator was asked."""

    def run() -> tuple[str, int]:
        log.write_text("")
        time.sleep(0.03)  # what changed at the time of an installation is checked by the next one again
        return system.succeeds("install", cwd=root), log.read_text().count("asked")

    return run


def test_an_unchanged_installation_asks_no_generator_and_prints_the_same_notes(install):
    first = "acme/orders: acme/orders is odd\nacme/orders: 1 generated, 0 unchanged, 0 removed\n"
    assert install() == (first, 1)
    assert install() == (first.replace("1 generated, 0 unchanged", "0 generated, 1 unchanged"), 0)


def same_size_and_time(root: Path) -> None:
    path = root / "service.toy"
    before = path.stat()
    path.write_text("ODD")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "a definition, even with its former size and time": same_size_and_time,
    "a new definition": lambda root: (root / "another.toy").write_text("more"),
    "a file in a folder that was searched": lambda root: (root / "imported" / "new").touch(),
    "a folder that was searched is gone": lambda root: (root / "imported").rmdir(),
    "a stub": lambda root: (root / "architect_services/acme/orders/service.py").write_text("TEXT = 'xxx'\n"),
    "a stub is gone": lambda root: (root / "architect_services/acme/orders/service.py").unlink(),
    "a file among the stubs": lambda root: (root / "architect_services/acme/orders/more.py").touch(),
    "a file beside the stubs": lambda root: (root / "architect_services/finished").unlink(),
    "the record is gone": lambda root: shutil.rmtree(root / "architect_services/__pycache__"),
    "the record is damaged": lambda root: (root / "architect_services/__pycache__/install.json").write_text("[]"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_noticed(install, root, change):
    install()
    assert install()[1] == 0
    CHANGES[change](root)
    assert install()[1] == 1
    assert install()[1] == 0


def test_another_manifest_and_another_installed_distribution_are_noticed(install, system, root):
    install()
    api = {"type": "toy", "definitions": ["service.toy"]}
    (root / "architect.json").write_text(json.dumps({"name": "acme/orders", "api": api, "version": "2.0"}))
    assert install()[1] == 0  # the same definitions
    (root / "architect.json").write_text(json.dumps({"name": "acme/bills", "api": api}))
    assert install()[1] == 1
    (system.site / "installed-1.0.dist-info").mkdir()
    assert install()[1] == 1


def test_a_definition_that_changes_during_an_installation_is_read_again(install, system, root):
    path = system.site / "architect_toy_plugin.py"
    rewriting = 'if word == "late": (definitions.folder / file).write_text("later")\n                if word == "wrong"'
    path.write_text(path.read_text().replace('if word == "wrong"', rewriting))
    (root / "service.toy").write_text("late")
    install()
    assert install()[1] == 1


def test_a_generator_that_does_not_say_what_it_reads_is_always_asked(install, system):
    path = system.site / "architect_toy_plugin.py"
    path.write_text(path.read_text().replace("def inputs(", "def others("))
    assert [install()[1] for _ in range(3)] == [1, 1, 1]


def test_an_environment_with_other_packages_does_not_trust_the_record_of_the_former(install, monkeypatch, tmp_path):
    install()
    assert install()[1] == 0
    monkeypatch.syspath_prepend(tmp_path / "another-environment")
    assert install()[1] == 1
