"""BigQuery: its client and SQLAlchemy's dialect, with a server's answers, a project's key and a dataset."""

from __future__ import annotations

import base64
import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from datastore_reading import credentials
from google.cloud import bigquery
from sqlalchemy_bigquery.parse_url import parse_url

from architect_core.exceptions import ConfigError, DriverError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of Google's packages


@pytest.fixture(scope="module")
def key() -> dict[str, Any]:
    """The key of a service account, as Google writes it."""
    made = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "of-the-key",
        "private_key": made.private_bytes(*form).decode(),
        "client_email": "app@of-the-key.example",
        "token_uri": "https://oauth2.example/token",
    }


class Emulator(BaseHTTPRequestHandler):
    """Answers which datasets there are in a project, and keeps what was asked."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012 - of the class

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        reference = {"projectId": "p", "datasetId": "shop"}
        body = json.dumps({"datasets": [{"id": "p:shop", "datasetReference": reference}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Emulator) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(30)


def client(db: Any) -> bigquery.Client:
    return bigquery.Client(**db.for_driver("google-cloud-bigquery"))


def test_the_client_talks_to_an_emulator_without_credentials(emulator):
    db = credentials(type="bigquery", project="p", dataset="shop", options={"endpoint": emulator, "location": "EU"})
    for each in (db, credentials(url=db.url), pickle.loads(pickle.dumps(db))):
        made = client(each)
        assert (made.project, made.location, each.name) == ("p", "EU", "shop")
        assert [dataset.dataset_id for dataset in made.list_datasets()] == ["shop"]
        path, authorization = Emulator.asked[-1]
        assert (path.partition("?")[0], authorization) == ("/bigquery/v2/projects/p/datasets", None)


def test_every_form_of_a_key_is_the_service_account_s(key, tmp_path):
    text, path = json.dumps(key), tmp_path / "key.json"
    path.write_text(text)
    encoded = base64.b64encode(text.encode()).decode()
    entries: list[dict[str, Any]] = [
        {"credentials": key},
        {"credentials": text},
        {"credentials": str(path)},
        {"credentials_path": str(path)},
        {"credentialsInfo": text},
        {"PrivateKeyData": encoded},
        {"GOOGLE_APPLICATION_CREDENTIALS": str(path)},
        {name: value for name, value in key.items() if name != "type"},
        {"options": {"credentials_info": key}},
        {"options": {"credentials_base64": encoded}},
        {"options": {"credentials_path": str(path)}},
    ]
    for entry in entries:
        for project in ({}, {"project": "p"}, {"ProjectId": "p"})[: None if entry is entries[0] else 1]:
            db = credentials(type="bigquery", **project, **entry)
            assert key["private_key"] not in repr(db)
            assert "PRIVATE" not in repr(db)
            for each in (db, credentials(url=db.url)):
                made = client(each)
                assert made.project == ("p" if project else "of-the-key")
                assert made._credentials.service_account_email == key["client_email"]


def test_sqlalchemy_s_dialect_has_the_project_the_dataset_and_the_key(key):
    db = credentials(type="bigquery", project="p", dataset="shop", location="EU", credentials=key)
    engine = sqlalchemy.create_engine(**db.for_driver("sqlalchemy"))
    _, arguments = engine.dialect.create_connect_args(engine.url)
    made = arguments["client"]
    assert (made.project, made.location, engine.dialect.dataset_id) == ("p", "EU", "shop")
    assert made._credentials.service_account_email == key["client_email"]


# a URL -> the project, the dataset, and the other options of SQLAlchemy's URL
URLS = {
    "bigquery://": (None, None, {}),
    "bigquery://p": ("p", None, {}),
    "bigquery://p/shop": ("p", "shop", {}),
    "bigquery:///shop": (None, "shop", {}),
    "bigquery+bigquery://p/shop": ("p", "shop", {}),
    "bigquery+tls://p/shop": ("p", "shop", {}),
    "bigquery://p/shop?location=EU&arraysize=5": ("p", "shop", {"arraysize": 5}),
    "bigquery://p/shop?list_tables_page_size=7&credentials_path=/k": ("p", "shop", {"list_tables_page_size": 7}),
}


@pytest.mark.parametrize("url", URLS)
def test_sqlalchemy_reads_in_our_url_what_it_reads_in_the_original(url):
    db = credentials(url=url)
    given = db.for_driver("sqlalchemy")
    project, _, dataset, arraysize, _, _, _, pages, _ = parse_url(sqlalchemy.make_url(given["url"]))
    assert (project, dataset) == URLS[url][:2]
    expected = URLS[url][2]
    assert (arraysize, pages) == (expected.get("arraysize"), expected.get("list_tables_page_size"))
    assert credentials(url=db.url).for_driver("sqlalchemy") == given


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "bigquery://p/canary/e"},
        {"type": "bigquery", "host": "p", "ssl": True, "endpoint": "http://canary"},
        {"url": "bigquery+tls://p?endpoint=http://canary"},
        {"type": "bigquery", "host": "p", "endpoint": "canary"},
        {"type": "bigquery", "host": "p", "endpoint": "http://u:canary@h"},
        {"type": "bigquery", "host": "p", "credentials_path": "/x", "credentials_base64": "canary"},
    ],
)
def test_a_wrong_entry_is_an_error_that_repeats_no_value(entry):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("key_text", ["canary", '{"type": "authorized_user", "secret": "canary"}', "[]"])
@pytest.mark.parametrize("driver", ["google-cloud-bigquery", "sqlalchemy"])
def test_a_key_that_is_no_service_account_s_is_an_error_that_repeats_no_value(driver, key_text):
    db = credentials(type="bigquery", host="p", options={"credentials_info": key_text})
    with pytest.raises(DriverError, match="JSON of a service account's key") as caught:
        db.for_driver(driver)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_no_key_is_an_error_that_says_why(tmp_path):
    (tmp_path / "canary.json").write_text('{"type": "service_account", "private_key": "canary"}')
    for path, reason in (
        (tmp_path / "canary", "No such file"),
        (tmp_path / "canary.json", "it is no key of a service account"),
    ):
        db = credentials(type="bigquery", host="p", credentials=str(path))
        with pytest.raises(DriverError, match=f"cannot use the key of `credentials_path`: {reason}") as caught:
            client(db)
        assert "canary" not in str(caught.value)
    db = credentials(type="bigquery", host="p", credentials_info='{"type": "service_account", "private_key": "canary"}')
    with pytest.raises(DriverError, match="cannot use the key of `credentials_info`") as caught:
        client(db)
    assert "canary" not in str(caught.value)


def test_an_option_that_a_driver_does_not_have_is_an_error(emulator):
    with pytest.raises(DriverError, match="google-cloud-bigquery does not support the option 'arraysize'"):
        credentials(url="bigquery://p?arraysize=5").for_driver("google-cloud-bigquery")
    with pytest.raises(DriverError, match="sqlalchemy-bigquery does not support the option 'endpoint'"):
        credentials(type="bigquery", host="p", endpoint=emulator).for_driver("sqlalchemy")
