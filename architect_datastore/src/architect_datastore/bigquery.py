"""BigQuery (https://docs.cloud.google.com/python/docs/reference/bigquery/latest, and sqlalchemy-bigquery)."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal

from pydantic import ConfigDict, Field

from architect_core.contract import Credentials, DatastoreTarget, Options
from architect_core.exceptions import DriverError
from architect_datastore.arguments import given, refusal, translated
from architect_datastore.kit.keys import text_at
from architect_datastore.kit.tls_keys import word
from architect_datastore.kit.url import build_url
from architect_datastore.options import Path
from architect_datastore.tls import TlsParser

_DRIVER = "google-cloud-bigquery"
_TOKENS = "https://oauth2.googleapis.com/token"
# what google-auth reads of a service account's key
_OF_ACCOUNT = (
    "project_id",
    "private_key_id",
    "private_key",
    "client_email",
    "client_id",
    "token_uri",
    "universe_domain",
)
_KEYS = ("credentials_path", "credentials_info", "credentials_base64")
# keys of an entry -> options; "credentials" has any of the three forms
_OPTIONS = {
    "credentialspath": "credentials_path",
    "credentialsinfo": "credentials_info",
    "credentialsjson": "credentials_info",
    "credentialsbase64": "credentials_base64",
    "googleapplicationcredentials": "credentials_path",
    "privatekeydata": "credentials_base64",  # of the service broker of Google Cloud
    "location": "location",
    "endpoint": "endpoint",
}


class BigqueryOptions(Options):
    """Options of a BigQuery datastore; any other in a URL is one of sqlalchemy-bigquery, such as `arraysize`.

    Attributes:
        sslmode: the TLS mode; there is no other.
        credentials_path: the path of a service account's key, JSON.
        credentials_info: that key itself, as text or an object.
        credentials_base64: that text in base64.
        location: the location of jobs and datasets, such as "EU".
        endpoint: the URL of another server, such as an emulator's, which has no credentials if it is without TLS.
    """

    model_config = ConfigDict(extra="allow")

    sslmode: Literal["verify-full"] | None = None
    credentials_path: Path | None = None
    credentials_info: str | dict[str, Any] | None = None
    credentials_base64: str | None = None
    location: str | None = None
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#@]+/?$")


def client(db: Credentials) -> dict[str, Any]:
    """`google.cloud.bigquery.Client`, with credentials of google-auth, which it requires. The dataset is `db.name`."""
    arguments = translated(db, _DRIVER, {"location": "location"}, "sslmode", "endpoint", *_KEYS)
    endpoint = db.options.get("endpoint")
    credentials = _service_account(db)
    if credentials is None and endpoint is not None and endpoint.startswith("http:"):
        credentials = _google_auth("google.auth.credentials").AnonymousCredentials()
    project = db.host or getattr(credentials, "project_id", None)
    place = None if endpoint is None else {"api_endpoint": endpoint}
    return {**given(project=project, credentials=credentials, client_options=place), **arguments}


def sqlalchemy(db: Credentials) -> dict[str, Any]:
    """`sqlalchemy.create_engine`, with sqlalchemy-bigquery."""
    options = {key: value for key, value in db.options.items() if key != "sslmode"}
    if "endpoint" in options:
        raise refusal(
            "sqlalchemy-bigquery", "endpoint", "give it a client with `connect_args` and `user_supplied_client`"
        )
    names = ("credentials_path", "location")
    own = {key: value for key, value in options.items() if key in names}
    others = {key: value for key, value in options.items() if key not in {*names, *_KEYS}}
    url = build_url("bigquery", given(host=db.host, name=db.name), others)
    return {"url": url, **own, **given(credentials_info=_info(db))}


def _service_account(db: Credentials) -> Any:
    """Returns the credentials of google-auth for a key, or None; raises DriverError if the key cannot be used."""
    info, path = _info(db), db.options.get("credentials_path")
    if info is None and path is None:
        return None
    account = _google_auth("google.oauth2.service_account").Credentials
    try:
        return account.from_service_account_info(info) if path is None else account.from_service_account_file(path)
    except OSError as problem:
        reason = problem.strerror or "it cannot be read"
    except ValueError:
        reason = "it is no key of a service account"
    raise DriverError(f"{_DRIVER} cannot use the key of `{'credentials_info' if path is None else _KEYS[0]}`: {reason}")


def _info(db: Credentials) -> dict[str, Any] | None:
    """Returns a service account's key; raises DriverError if it is none."""
    info, encoded = db.options.get("credentials_info"), db.options.get("credentials_base64")
    if info is None and encoded is None:
        return None
    try:
        found = json.loads(b64decode(encoded or "") if info is None else info)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.get("type") == "service_account":
        return found
    raise DriverError("BigQuery's drivers need the JSON of a service account's key as `credentials_info`")


def _google_auth(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise DriverError(f"{_DRIVER} needs google-auth to read credentials; run: pip install {_DRIVER}") from None


class BigqueryParser(TlsParser):
    """Credentials for BigQuery: `bigquery.Client(**db.for_driver("google-cloud-bigquery"))`, and SQLAlchemy.

    The host is the project, the name the dataset. A URL is that of SQLAlchemy: `bigquery://project/dataset?location=EU`.
    Without a project or a key, the drivers find their own, in the environment or on the machine.
    """

    Options = BigqueryOptions
    sockets = False
    needs_host = False

    def credentials(self, target: DatastoreTarget) -> Credentials:
        """Returns the credentials; the project and the dataset may be keys of the entry."""
        config = target.config
        if config.url is None:
            host = config.host or text_at(target, "project", "projectid")
            name = config.name or text_at(target, "dataset", "datasetid")
            config = config.model_copy(update=given(host=host, name=name))
        return super().credentials(replace(target, config=config))

    def check(self, fields: dict[str, Any], target: DatastoreTarget) -> None:
        """Raises `target.error` if the name is more than a dataset's."""
        if "/" in fields.get("name", ""):
            raise target.error("name", "must be a dataset's name alone")

    def read_keys(self, keys: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the keys of the drivers' arguments, and a service account's key whose fields are keys, too."""
        found = {_OPTIONS[word(key)]: value for key, value in keys.items() if word(key) in _OPTIONS}
        key = keys.get("credentials")
        if isinstance(key, dict) or str(key).lstrip().startswith("{"):
            found.setdefault("credentials_info", key)
        elif isinstance(key, str):
            found.setdefault("credentials_path", key)
        account = [keys.get(name) for name in ("private_key", "client_email")]
        if not found.keys() & set(_KEYS) and all(isinstance(each, str) for each in account):
            own = {name: keys[name] for name in _OF_ACCOUNT if name in keys}
            found["credentials_info"] = {"token_uri": _TOKENS, **own, "type": "service_account"}
        return {**found, **super().read_keys(keys, options)}

    def combine_options(self, options: dict[str, Any], target: DatastoreTarget) -> dict[str, Any]:
        """Makes text of a key; raises `target.error` for two keys, and for TLS that the endpoint does not have."""
        options = super().combine_options(options, target)
        if options.get("endpoint", "").startswith("http:") and "sslmode" in options:
            raise target.error("options.endpoint", "has http, so that options of TLS have no meaning; write https")
        given_keys = [key for key in _KEYS if key in options]
        if len(given_keys) > 1:
            raise target.error(f"options.{given_keys[1]}", f"is set together with `{given_keys[0]}`; give one of them")
        if isinstance(options.get("credentials_info"), dict):
            options = {**options, "credentials_info": json.dumps(options["credentials_info"])}
        return options


PARSER = BigqueryParser(
    "bigquery",
    None,
    schemes={"bigquery": "bigquery"},
    drivers={_DRIVER: client, "bigquery": client, "sqlalchemy": sqlalchemy, "sqlalchemy+bigquery": sqlalchemy},
)
