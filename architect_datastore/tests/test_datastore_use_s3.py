"""boto3 connects with what `for_driver` gives it, to a server that checks signatures."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
from datastore_certificates import Files
from datastore_servers import free_port, program, temporary_folder, until_listening

from architect_core.exceptions import DriverError

KEY_ID = "a@:?#%41\"'\\b"  # in a header of every request, whose syntax it must not disturb
SECRET = "a@:/?#%41 +&=;{}\"'\\ ünïcode日本"


@contextlib.contextmanager
def serving(*options: str) -> Iterator[int]:
    with temporary_folder() as folder:
        bucket = folder / "data" / "shop"
        bucket.mkdir(parents=True)
        port = free_port()
        login = f"{KEY_ID},{SECRET}".replace('"', '""')
        command = [program("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", *options, str(bucket.parent)]
        environ = os.environ | {"RCLONE_AUTH_KEY": f'"{login}"', "RCLONE_CONFIG": os.devnull}
        output = folder / "output.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(command, env=environ, stdout=file, stderr=subprocess.STDOUT)
        try:
            until_listening(port, process, output)
            yield port
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture(scope="module")
def secure_port(certificates: Files) -> Iterator[int]:
    with serving("--cert", certificates.certificate, "--key", certificates.key) as port:
        yield port


def entry(port: int, **more: Any) -> dict[str, Any]:
    place = {"type": "minio", "host": "127.0.0.1", "port": port}
    return {**place, "username": KEY_ID, "password": SECRET, "name": "shop", **more}


def stores(db: Any) -> bool:
    client = boto3.client("s3", **db.for_driver("boto3"))
    with contextlib.closing(client):
        client.put_object(Bucket=db.name, Key="a b/ü", Body=b"text")
        return bool(client.get_object(Bucket=db.name, Key="a b/ü")["Body"].read() == b"text")


def finds_the_bucket(db: Any) -> bool:
    once = botocore.config.Config(retries={"total_max_attempts": 1})  # a certificate is no better the fifth time
    client = boto3.client("s3", **db.for_driver("boto3"), config=once)
    with contextlib.closing(client):
        return bool(client.list_objects_v2(Bucket=db.name)["Name"] == "shop")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_any_key_gets_in_by_fields_and_by_url(datastore, port, host):
    db = datastore(**entry(port, host=host, options={"region": "eu-central-1"}))
    assert stores(db)
    assert stores(datastore(url=db.url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/shop", "s3://127.0.0.1:{}/shop?sslmode=disable"])
def test_an_endpoint_is_a_url_too(datastore, port, url):
    login = {"type": "s3", "username": KEY_ID, "password": SECRET}
    assert stores(datastore(url=url.format(port), **login))


def test_a_connection_string_gets_in(datastore, port):
    secret, key_id = SECRET.replace('"', '""'), KEY_ID.replace("'", "''")
    text = f"Endpoint=http://127.0.0.1:{port}/shop;AccessKey='{key_id}';SecretKey=\"{secret}\""
    assert stores(datastore(connection_string=text))


def test_a_wrong_secret_is_refused_by_the_server(datastore, port):
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        stores(datastore(**entry(port, password="wrong")))


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_connection_has_the_configured_tls(datastore, secure_port, certificates):
    for options in ({"ca": certificates.ca}, {"sslmode": "require"}):
        db = datastore(**entry(secure_port, options=options))
        assert finds_the_bucket(db)
        assert finds_the_bucket(datastore(url=db.url))
    for options in ({"ca": certificates.other_ca}, {"sslmode": "verify-full"}):
        with pytest.raises(botocore.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            finds_the_bucket(datastore(**entry(secure_port, options=options)))


def test_aws_needs_no_host(datastore):
    db = datastore(url="s3://id:s%2Fecret@/shop?region=eu-central-1")
    assert (db.host, db.port, db.name) == (None, None, "shop")
    client = boto3.client("s3", **db.for_driver("boto3"))
    with contextlib.closing(client):
        assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"


def test_an_option_that_boto3_has_no_argument_for_is_refused(datastore):
    db = datastore(url="s3://id:secret@host:9000/shop?addressing=canary")
    with pytest.raises(DriverError, match="boto3 does not support the option 'addressing'") as caught:
        db.for_driver("boto3")
    assert "canary" not in str(caught.value)
