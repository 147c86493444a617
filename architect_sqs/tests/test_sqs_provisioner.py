"""The server of SQS that `architect run --events sqs` starts."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import time

import boto3
import pytest

from architect_core.exceptions import RunError
from architect_sqs.provisioner import SqsProvisioner

PATIENCE = 30.0


def test_it_serves_both_services_with_the_login_of_its_entry(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    provisioned = SqsProvisioner().provision({}, tmp_path, port)
    entry = provisioned.entry
    assert entry["password"] not in repr(provisioned)
    process = subprocess.Popen(
        provisioned.command,
        env={**os.environ, **provisioned.env},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        login = {"aws_access_key_id": entry["username"], "aws_secret_access_key": entry["password"]}
        for service in ("sqs", "sns"):
            endpoint = entry["options"]["endpoint"]
            client = boto3.client(service, region_name="eu-central-1", endpoint_url=endpoint, **login)
            answer = client.create_queue(QueueName="q") if service == "sqs" else client.create_topic(Name="t")
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
            client.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def test_without_ministack_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = "ministack and hypercorn cannot be imported. pip install ministack hypercorn, state"
    with pytest.raises(RunError, match=said):
        SqsProvisioner().provision({}, tmp_path, 4566)
