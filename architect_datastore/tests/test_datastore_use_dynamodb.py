"""boto3 and aiobotocore connect to a server of DynamoDB with what `for_driver` gives them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import boto3
import botocore.exceptions
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config
from datastore_certificates import Files
from datastore_forwarding import forwarded
from datastore_servers import free_port, missing, started, temporary_folder

KEY = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "s@:/?#% +&=;"}
ONCE: dict[str, Any] = {"retries": {"total_max_attempts": 1}}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    if not (find_spec("ministack") and find_spec("hypercorn")):
        missing("there is no server of DynamoDB: pip install ministack hypercorn")
    with temporary_folder() as folder:
        port = free_port()
        command = [sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}"]
        with started([*command, "ministack.app:app"], port, folder=folder, SERVICES="dynamodb", LOG_LEVEL="WARNING"):
            yield port


@pytest.fixture(autouse=True)
def no_other_access_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def over_boto3(db: Any) -> str:
    with contextlib.closing(boto3.client("dynamodb", **db.for_driver("boto3"), config=Config(**ONCE))) as client:
        with contextlib.suppress(client.exceptions.ResourceInUseException):
            client.create_table(TableName=db.name, **SCHEMA)
        client.put_item(TableName=db.name, Item={"id": {"S": "1"}, "text": {"S": "text"}})
        return str(client.get_item(TableName=db.name, Key={"id": {"S": "1"}})["Item"]["text"]["S"])


def over_aiobotocore(db: Any) -> str:
    async def run() -> str:
        async with get_session().create_client(
            "dynamodb", **db.for_driver("aiobotocore"), config=AioConfig(**ONCE)
        ) as client:
            with contextlib.suppress(client.exceptions.ResourceInUseException):
                await client.create_table(TableName=db.name, **SCHEMA)
            await client.put_item(TableName=db.name, Item={"id": {"S": "1"}, "text": {"S": "text"}})
            found = await client.get_item(TableName=db.name, Key={"id": {"S": "1"}})
            return str(found["Item"]["text"]["S"])

    return asyncio.run(run())


SCHEMA: dict[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
both = pytest.mark.parametrize("reads", [over_boto3, over_aiobotocore], ids=["boto3", "aiobotocore"])


@both
def test_a_table_is_read_with_the_keys_of_aws(port, datastore, reads):
    place = {
        "type": "dynamodb",
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "eu-central-1",
        "table_name": "shop.orders",
    }
    db = datastore(**place, **KEY)
    assert reads(db) == reads(datastore(url=db.url)) == "text"
    assert KEY["secret_access_key"] not in repr(db)


@both
def test_the_url_of_an_endpoint_is_enough_beside_a_region(port, datastore, reads):
    db = datastore(type="dynamodb", url=f"http://k:s@127.0.0.1:{port}", region="eu-west-1", table="orders")
    assert (db.host, db.username, db.password) == ("eu-west-1", "k", "s")
    assert reads(db) == "text"


@both
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_endpoint_with_tls_is_verified(port, certificates: Files, datastore, reads):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with forwarded("127.0.0.1", port, context) as secure:
        place = {
            "type": "dynamodb",
            "url": f"https://127.0.0.1:{secure}",
            "region": "eu-west-1",
            "name": "orders",
            **KEY,
        }
        assert reads(datastore(**place, options={"ca": certificates.ca})) == "text"
        assert reads(datastore(**place, options={"sslmode": "require"})) == "text"
        with pytest.raises(botocore.exceptions.BotoCoreError):
            reads(datastore(**place, options={"ca": certificates.other_ca}))
