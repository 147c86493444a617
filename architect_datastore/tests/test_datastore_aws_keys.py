"""The access key, the bucket and the region are found in the keys that brokers and operators write."""

from __future__ import annotations

import pytest
from datastore_reading import credentials

from architect_core.exceptions import ConfigError

LOGIN = {"aws_access_key_id": "K", "aws_secret_access_key": "S"}


@pytest.mark.parametrize(
    ("entry", "bucket", "arguments"),
    [
        # csb-aws-s3-bucket of Cloud Foundry, beside a user of the console
        ({"access_key_id": "K", "secret_access_key": "S", "username": "canary", "bucket_name": "b"}, "b", {}),
        (
            {"access_key_id": "K", "secret_access_key": "S", "username": "x", "password": "y", "region": "eu"},
            None,
            "eu",
        ),
        # Crossplane and servicebinding.io
        (
            {"endpoint": "https://m:9000", "access-key-id": "K", "secret-access-key": "S", "bucket": "b"},
            "b",
            {"endpoint_url": "https://m:9000"},
        ),
        # MinIO's operator
        ({"endpoint": "http://m", "accesskey": "K", "secretkey": "S"}, None, {"endpoint_url": "http://m"}),
        ({"endpoint": "m:9000", "accessKey": "K", "secretKey": "S"}, None, {"endpoint_url": "https://m:9000"}),
        # Rook's and NooBaa's bucket claims, with the names of AWS' own variables
        ({"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", "BUCKET_NAME": "b"}, "b", {}),
        ({"AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S", "AWS_REGION": "eu"}, None, "eu"),
        ({"url": "s3://K:S@/b", "region": "eu"}, "b", "eu"),
        ({"url": "s3://K:S@/b?region=us", "region": "eu"}, "b", "eu"),
        ({"url": "s3://K:S@/b", "region": "us", "options": {"region": "eu"}}, "b", "eu"),
        ({"username": "K", "password": "S", "session_token": "T"}, None, {"aws_session_token": "T"}),
    ],
)
def test_s3_is_reached_with_the_keys_that_platforms_write(entry, bucket, arguments):
    db = credentials(type="s3", **entry)
    more = {"region_name": arguments} if isinstance(arguments, str) else arguments
    assert (db.name, db.for_driver("boto3")) == (bucket, {**LOGIN, **more})


def test_minio_takes_an_endpoint_without_a_scheme_as_one_without_tls():
    db = credentials(type="minio", endpoint="m", access_key="K", secret_key="S")
    assert db.for_driver("boto3") == {**LOGIN, "endpoint_url": "http://m:9000"}


def test_an_endpoint_with_http_and_a_switch_for_tls_has_tls():
    db = credentials(type="minio", endpoint="http://m:9000", access_key="K", secret_key="S", use_ssl=True)
    assert db.for_driver("boto3")["endpoint_url"] == "https://m:9000"


def test_sqs_takes_the_region_and_the_access_key_from_keys():
    db = credentials(type="sqs", region="eu-central-1", access_key_id="K", secret_access_key="S")
    assert db.for_driver("boto3") == {**LOGIN, "region_name": "eu-central-1"}


@pytest.mark.parametrize(
    ("entry", "region"),
    [
        ({"url": "https://dynamodb.eu-west-1.amazonaws.com"}, "eu-west-1"),
        ({"endpoint": "https://dynamodb.us-gov-east-1.amazonaws.com"}, "us-gov-east-1"),
        ({"endpoint": "https://vpce-1-a.dynamodb.us-east-1.vpce.amazonaws.com"}, "us-east-1"),
        ({"url": "https://dynamodb.cn-north-1.amazonaws.com.cn:443"}, "cn-north-1"),
        ({"url": "https://dynamodb.eu-west-1.amazonaws.com", "region": "eu-west-2"}, "eu-west-2"),
        ({"url": "https://dynamodb.eu-west-1.amazonaws.com.example.org"}, None),
        ({"url": "http://localhost:8000"}, None),
        ({"url": "http://localhost:8000", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_a_key_or_in_the_endpoint(entry, region):
    for engine in ("dynamodb", "sqs"):
        db = credentials(type=engine, **entry)
        assert db.host == region
        assert db.for_driver("aioboto3")["endpoint_url"].startswith("http")


@pytest.mark.parametrize("engine", ["dynamodb", "sqs"])
@pytest.mark.parametrize("url", ["https://u:canary@h/queue", "http://u:canary@h?x=1", "https://u:canary@"])
def test_the_url_of_an_endpoint_has_nothing_but_a_server_and_a_login(engine, url):
    with pytest.raises(ConfigError, match=r"primary_db\.url") as caught:
        credentials(type=engine, url=url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["https://u:canary@h", "ftp://h/canary", "https://h/canary", "canary canary"])
def test_the_message_for_an_endpoint_that_is_none_does_not_have_it(endpoint):
    with pytest.raises(ConfigError, match=r"primary_db\.endpoint") as caught:
        credentials(type="s3", endpoint=endpoint)
    assert "canary" not in str(caught.value)
