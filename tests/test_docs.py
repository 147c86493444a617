"""The commands and programs of the documentation work, and print what it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from walkthrough import blocks, follow, shell
from workspace import PACKAGES, ROOT, clean_environ, find_free_port

from architect_core.contract import hooks
from architect_core.schema.manifest import parse_manifest

DOCS = ROOT / "docs"
# page -> the packages that its reader has installed
PAGES = {
    "index.md": ("core", "rest"),
    "reference/command-line.md": ("core", "cli"),
    "reference/events-command-line.md": ("core", "events", "cli"),
    "reference/configuration.md": ("core",),
    "tutorial/first-event.md": ("core", "events", "cli"),
    "tutorial/first-plugin.md": ("core", "datastore", "cli", "testing"),
    "how-to/read-configuration-from-elsewhere.md": ("core", "sources"),
    "how-to/limit-how-long-a-call-takes.md": ("core", "rest"),
    "how-to/call-from-coroutines.md": ("core", "rest[aio]"),
    "how-to/use-libraries-for-requests.md": (
        *("core", "rest", "requests-cache", "requests-oauthlib", "locust", "responses", "requests-mock", "betamax"),
        *("vcrpy", "pytest-recording"),
    ),
    "how-to/reach-a-run-from-another-terminal.md": ("core", "cli"),
    "how-to/change-code-while-it-runs.md": ("core", "datastore", "cli"),
    "how-to/rotate-a-secret.md": ("core", "datastore"),
    "how-to/use-an-outbox.md": ("core", "events", "cli", "sqlalchemy", "django"),
    "how-to/verify-a-signature.md": ("core", "rest", "events", "flask", "fastapi", "hypercorn"),
    "how-to/from-webhooks-to-rabbitmq.md": ("core", "events", "rest", "cli"),
    "how-to/handle-dead-letters.md": ("core", "rest", "events", "cli"),
    "how-to/observe-calls.md": ("core", "rest", "otel[rest]"),
    "reference/sources.md": ("core", "sources"),
    "how-to/add-a-command.md": ("core", "cli"),
    "how-to/find-a-broken-plugin.md": ("core", "cli"),
    "how-to/test-an-application.md": ("core", "rest", "grpc", "datastore", "testing"),
    "how-to/prove-a-plugin.md": ("core", "testing"),
    "how-to/connect-to-a-datastore.md": ("core", "datastore"),
    "how-to/configure-a-run.md": ("core", "cli"),
    "how-to/start-with-architect-init.md": ("core", "cli"),
}


def console(page):
    return [block for block in blocks((DOCS / page).read_text()) if block.language == "console"]


PAGES_THAT_INSTALL = {page for page in PAGES if "pip install" in "".join(each.text for each in console(page))}


def follow_page(page, folder, environ):
    text = (DOCS / page).read_text().replace("7001", str(find_free_port()))
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="page-") as temporary:  # so that `architect ps` lists the page's own runs
        Path(temporary).chmod(0o755)  # PostgreSQL's own user has to reach its data when root runs this
        with shell(folder, {**environ, "TMPDIR": temporary}) as typed:
            assert follow(text, typed) > 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", sorted(set(PAGES) - PAGES_THAT_INSTALL))
def test_a_page_prints_what_it_shows_when_followed_word_by_word(shared_environment, tmp_path, page):
    follow_page(page, tmp_path / "reader", shared_environment(*PAGES[page], "pytest"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", sorted(PAGES_THAT_INSTALL))
def test_a_page_with_pip_prints_what_it_shows_when_followed_word_by_word(environment, tmp_path, page):
    # pip builds plugins with this hatchling instead of downloading one for each
    environ = environment(*PAGES[page], "pytest", "hatchling", "editables")
    quick = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_COMPILE": "1"}  # pip inverts the first: "0" is no isolation
    follow_page(page, tmp_path / "reader", environ | quick)


def test_every_page_with_something_to_do_is_followed():
    pages = {
        str(path.relative_to(DOCS))
        for path in DOCS.rglob("*.md")
        if any(block.language in {"console", "python"} for block in blocks(path.read_text()))
    }
    others = {"reference/hooks.md", "how-to/configure-a-grpc-channel.md"}  # for which there are tests elsewhere
    assert pages - others == set(PAGES)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_the_json_in_a_page_is_a_manifest(path):
    for block in blocks(path.read_text()):
        if block.language == "json" and not block.title:
            assert parse_manifest(block.text).name == json.loads(block.text)["name"]


def test_the_tests_that_measure_a_guarantee_exist():
    folders = [ROOT / "tests", *ROOT.glob("architect_*/tests"), ROOT / "architect_testing" / "src"]
    programs = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "explanation" / "events.md").read_text()))
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in programs] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    for package in PACKAGES.values():
        (folder / package.folder.name).symlink_to(package.folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        command, cwd=folder, env=clean_environ(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stderr
    return folder / "site"


def test_the_site_is_built_without_a_warning_and_its_reference_has_every_hook(site):
    page = (site / "reference" / "hooks" / "index.html").read_text()
    for kind in hooks.kinds():
        assert f'id="{kind.hook}"' in page
    assert "Called by the first" in page


def test_the_site_fetches_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert 'src="http' not in text
        assert '<link rel="stylesheet" href="http' not in text
