"""An SQS datastore is a region, and boto3 gets what it needs for it."""

from __future__ import annotations

import contextlib

import boto3
import pytest

from architect_core.exceptions import ConfigError, DriverError

LOGIN = {"aws_access_key_id": "id", "aws_secret_access_key": "s/cret"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"url": "sqs://eu-central-1"}, {"region_name": "eu-central-1"}),
        ({"type": "sqs", "host": "eu-central-1"}, {"region_name": "eu-central-1"}),
        ({"type": "sqs"}, {}),
        ({"url": "sqs://id:s%2Fcret@eu-central-1"}, {"region_name": "eu-central-1", **LOGIN}),
        (
            {"url": "sqs://id:s%2Fcret@eu-central-1?session_token=t"},
            {"region_name": "eu-central-1", **LOGIN, "aws_session_token": "t"},
        ),
        (
            {"url": "sqs://eu-central-1?endpoint=http://localhost:4566/"},
            {"region_name": "eu-central-1", "endpoint_url": "http://localhost:4566"},
        ),
        (
            {"url": "sqs://eu-central-1?endpoint_url=https://queues.internal", "options": {"ca": "/ca.pem"}},
            {"region_name": "eu-central-1", "endpoint_url": "https://queues.internal", "verify": "/ca.pem"},
        ),
        (
            {"url": "sqs://eu-central-1?endpoint=https://queues.internal&sslmode=require"},
            {"region_name": "eu-central-1", "endpoint_url": "https://queues.internal", "verify": False},
        ),
    ],
)
def test_an_entry_becomes_the_arguments_of_a_client(datastore, entry, expected):
    db = datastore(**entry)
    assert db.for_driver("boto3") == expected
    assert datastore(url=db.url).for_driver("boto3") == expected


def test_a_client_of_a_region_is_one_of_aws(datastore):
    db = datastore(url="sqs://id:s%2Fcret@eu-central-1/staging")
    assert db.name == "staging"
    for service, host in (("sqs", "sqs.eu-central-1"), ("sns", "sns.eu-central-1")):
        client = boto3.client(service, **db.for_driver("boto3"))
        with contextlib.closing(client):
            assert client.meta.endpoint_url == f"https://{host}.amazonaws.com"


def test_without_a_login_boto3_takes_that_of_the_environment(datastore, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    session = boto3.Session()
    client = session.client("sqs", **datastore(url="sqs://eu-central-1").for_driver("boto3"))
    with contextlib.closing(client):
        assert session.get_credentials().access_key == "of-the-environment"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"url": "sqs://u:canary@queues.internal"}, "primary_db.url: the host must be a region, such as eu-central-1"),
        ({"url": "sqs://eu-central-1/canary/a"}, "primary_db.url: the prefix must have"),
        ({"url": "sqs://eu-central-1?endpoint=canary:4566"}, "must be the URL of a server"),
        ({"url": "sqs://eu-central-1?endpoint=http://u:canary%40h"}, "must have no login"),
        ({"url": "sqs://eu-central-1?endpoint=http://h&ca=/canary"}, "url.endpoint: has http"),
        ({"url": "sqs://eu-central-1?endpoint=http://h&endpoint_url=http://g"}, "has an option twice"),
        ({"type": "sqs", "options": {"certificate": "/canary"}}, "options.certificate: unknown key"),
    ],
)
def test_a_wrong_entry_says_what_to_write(datastore, entry, expected):
    with pytest.raises(ConfigError) as caught:
        datastore(**entry)
    assert expected in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_server_given_as_a_host_is_refused_with_the_option_for_it(datastore):
    db = datastore(url="sqs://localhost:4566")
    with pytest.raises(DriverError, match="give its URL as the option 'endpoint'"):
        db.for_driver("boto3")
