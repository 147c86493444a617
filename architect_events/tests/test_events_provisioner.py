"""The broker of `architect run --events sqlite`: a file of the run."""

from __future__ import annotations

from architect_core.plugins import Plugins
from architect_core.resolver.events import EVENTS_VARIABLE, broker_of
from architect_events.embedded import EmbeddedProvisioner


def test_its_file_is_in_the_run_s_folder_whatever_that_is_called(tmp_path, monkeypatch):
    folder = tmp_path / "what? #1 100%"
    folder.mkdir()
    monkeypatch.setenv(EVENTS_VARIABLE, EmbeddedProvisioner().provision({}, folder, 0).entry["url"])
    broker = broker_of(Plugins(), lambda: tmp_path)
    assert broker is not None
    assert broker.scheme == "sqlite"
    assert broker.credentials.name == str(folder / "events.db")
