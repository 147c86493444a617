"""Credentials in place of the dictionary that `datastore()` of architect.sdk 0.2.1 returned."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "postgresql://u:p@h/d?sslmode=require"},
        {"url": "postgresql://u:p@a:1,b:2/d"},
        {"type": "redis", "host": "h", "options": {"connect_timeout": 1.5}},
        {"type": "rabbitmq", "host": "h", "options": {"auth_mechanism": ["plain"]}},
        {"url": "sqlite:///a.db"},
        {"type": "generic", "host": "h", "plan": {"name": "free"}},
    ],
)
def test_credentials_are_copied_to_a_dictionary_that_json_has(datastore, entry):
    db = datastore(**entry)
    copied = db.copy()
    assert type(copied) is dict
    assert copied == dict(db) == {**db}
    assert json.loads(json.dumps(copied)).keys() == db.keys()
    copied["host"] = "other"
    assert db.get("host") != "other"
    assert list(db.items()) == list(dict(db).items())
