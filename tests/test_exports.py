"""`architect env --export` writes what the sources read as the same entry, and no secret without `--show-secrets`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from urllib.parse import quote

import pytest
from programs import call_command

from architect_core.contract import parse_address
from architect_core.resolver import Resolver
from architect_datastore.kit.url import parse_url

CANARY = "s3cret-canary"
PASSWORD = f"{CANARY}@:/?#%\"' \\ ünïcode$ ${{HOME}}&+=,;|*"
LOGIN = {"username": "ap p@:", "password": PASSWORD}
ENCODED = quote(PASSWORD, safe="")
NETWORK = {"host": "db", "port": 1234, **LOGIN}

DATASTORES = {
    "pg-fields": {"type": "postgres", "name": "sh/op ü", **NETWORK},
    "pg_url": {"url": f"postgresql://app:{ENCODED}@a:1,b:2/shop?sslmode=require&application_name=x%20y"},
    "pg_login_beside_a_url": {"url": "postgresql://db/shop?connect_timeout=3", **LOGIN},
    "pg_options": {"type": "postgres", "name": "shop", **NETWORK,
        "options": {"sslmode": "require", "connect_timeout": 3}},
    "pg_hosts": {"type": "postgres", "hosts": ["a:1", "[::1]:2", "c"], **LOGIN,
        "options": {"target_session_attrs": "any"}},
    "pg_image": {"image": "registry:5000/postgres:16", "host": "db", **LOGIN},
    "pg_ipv6": {"type": "postgres", "host": "fe80::1", "port": 5433, **LOGIN, "name": "shop"},
    "pg_socket": {"type": "postgres", "host": "/run/postgresql", **LOGIN},
    "pg_string": {"connection_string": f"Host=db;Username=app;Password={CANARY}'x;Database=shop;SSL Mode=Require"},
    "pg_no_login": {"type": "postgres", "host": "db"},
    "pg_empty_password": {"type": "postgres", "host": "db", "username": "app", "password": ""},
    "pg_kind": {"kind": "postgresql", "host": "db", **LOGIN},
    "pg_files": {"type": "postgres", **NETWORK,
        "options": {"sslmode": "verify-full", "ca": "CA", "certificate": "CRT", "key": "KEY"}},
    "pg_absent_file": {"type": "postgres", **NETWORK, "options": {"sslmode": "verify-ca", "ca": "/nowhere/ca.crt"}},
    "my__sql": {"type": "mysql", "name": "shop", **NETWORK,
        "options": {"sslmode": "verify-ca", "ca": "CA", "charset": "utf8mb4"}},
    "maria": {"url": f"mariadb://app:{ENCODED}@[::1]/shop?ssl-mode=REQUIRED"},
    "my-socket": {"type": "mysql", "host": "/run/mysqld/mysqld.sock", **LOGIN},
    "redis": {"url": f"rediss://:{ENCODED}@cache/3?ssl_cert_reqs=none"},
    "redis-socket": {"type": "redis", "url": f"unix://:{ENCODED}@/run/redis.sock?db=2"},
    "redis-string": {"connection_string": f"cache:6380,password={CANARY}$x,ssl=true"},
    "valkey-image": {"image": "valkey/valkey:8", "host": "cache",
        "options": {"socket_keepalive": True, "connect_timeout": 1.5}},
    "unix": {"url": f"unix://:{ENCODED}@/run/redis.sock?db=2"},
    "sqlite": {"type": "sqlite", "name": "/var/lib/sh op/ü?#.db"},
    "sqlite-relative": {"url": "sqlite:///shop.db"},
    "sqlite-memory": {"url": "sqlite://"},
    "mongo": {"type": "mongodb", "hosts": ["a:1", "b:2"], **LOGIN, "name": "shop",
        "options": {"sslmode": "verify-full", "ca": "CA", "replica_set": "r"}},
    "mongo-srv": {"url": f"mongodb+srv://app:{ENCODED}@cluster/shop?readPreferenceTags=a:1&readPreferenceTags=b:2"},
    "rabbit": {"type": "rabbitmq", **NETWORK, "name": "/", "options": {"sslmode": "require", "connect_timeout": 2.5}},
    "amqp": {"url": f"amqps://app:{ENCODED}@mq/%2Fshop?cacertfile=CA"},
    "mssql": {"connection_string":
        f"Server=tcp:db,1444;User ID=sa;Password='{CANARY};$'; Database=shop;Encrypt=true;TrustServerCertificate=true"},
    "s3": {"type": "s3", **LOGIN, "name": "bucket", "options": {"region": "eu-central-1", "session_token": CANARY}},
    "minio": {"type": "minio", **NETWORK, "name": "bucket"},
    "s3-endpoint": {"type": "s3", "url": "http://files:9000/bucket", **LOGIN},
    "sqs": {"url": f"sqs://app:{ENCODED}@eu-central-1/staging?endpoint=https://sqs.internal&session_token={CANARY}&ca=CA"},
    "sqs-role": {"type": "sqs", "host": "eu-central-1"},
    "elastic": {"type": "elasticsearch", "url": f"https://app:{ENCODED}@a:1,b:2/es"},
    "elastic-plain": {"type": "elasticsearch", **NETWORK},
    "elastic-files": {"type": "opensearch", **NETWORK, "options": {"ca": "CA"}},
    "clickhouse": {"type": "clickhouse", **NETWORK, "options": {"sslmode": "require"}},
    "clickhouse-string": {"connection_string": f"Host=ch;Protocol=https;Port=8443;Username=app;Password={CANARY}"},
    "cockroach": {"url": f"cockroachdb://app:{ENCODED}@db/shop?sslmode=verify-full&options=--cluster%3Dc"},
    "redshift": {"type": "redshift", **NETWORK, "name": "shop", "options": {"sslmode": "require"}},
    "tidb": {"url": f"tidb://app:{ENCODED}@db/shop?ssl_ca=CA&ssl_verify_cert=true&ssl_verify_identity=true"},
    "oracle": {"type": "oracle", **NETWORK, "name": "shop", "options": {"sslmode": "verify-ca", "ca": "CA"}},
    "oracle-sid": {"url": f"oracle+oracledb://app:{ENCODED}@a:1,b:2/XE?protocol=tcps"},
    "oracle-wallet": {"url": f"oracle://app:{ENCODED}@alias?config_dir=/w&wallet_location=/w&wallet_password={CANARY}"},
    "oracle-string": {"connection_string": f"User Id=app;Password={CANARY};Data Source=db:1521/shop"},
    "duckdb": {"url": "duckdb:////var/lib/shop.duckdb?access_mode=read_only&threads=2"},
    "motherduck": {"type": "motherduck", "name": "shop", "password": CANARY},
    "snowflake": {"url": f"snowflake://app:{ENCODED}@org-acc/shop/public?warehouse=w&role=r&private_key_file_pwd={CANARY}"},
    "bigquery": {"type": "bigquery", "project": "p", "dataset": "shop",
        "credentials": {"type": "service_account", "private_key": CANARY}},
    "kafka": {"url": f"kafka://app:{ENCODED}@a:1,b:2/?acks=all"},
}  # fmt: skip
SERVICES = {
    "acme/rest": {"host": "rest", "port": 80, "api": "rest"},
    "acme/login": {"host": f"https://ada:{CANARY}%24@rest/v1/", "port": 8443, "api": "rest"},
    "acme/dollar": {"host": "http://rest/$HOME/v1", "port": 80, "api": "rest"},
    "acme/rest_ipv6": {"host": "::1", "port": 80, "api": "rest"},
    "acme/grpc": {"host": "grpc", "port": 1, "api": "grpc"},
    "acme/grpc-http": {"host": "http://grpc:2", "api": "grpc"},
    "acme/grpc__tls": {"host": "https://grpc", "port": 443, "api": "grpc"},
    "acme/owl": {"host": "owl", "port": 3, "api": "owl"},
    "acme/many": {"api": "grpc", "instances": [{"host": "p0", "port": 1}, {"host": "https://p1", "port": 2}]},
    "acme/mixed": {"api": "rest", "instances": [{"host": "p0", "port": 1}, {"host": "https://p1", "port": 2}]},
}  # fmt: skip
OWNER = "acme/shop"
DIALECTS = ("ARCHITECT", "aspire", "compose", "bindings")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("CA", "CRT", "KEY"):
        (folder / name).write_text(f"-----BEGIN {name} {CANARY}-----\n")
    return folder


@pytest.fixture(scope="module")
def configuration(certificates):
    text = json.dumps({**SERVICES, OWNER: {"api": None, "datastores": DATASTORES}})
    text = re.sub(r'(?<=[":=])(CA|CRT|KEY)(?=")', lambda match: str(certificates / match[1]), text)
    return json.loads(text)


def export(configuration, folder, dialect, *arguments):
    """What the command did that exports a configuration."""
    more = ["--folder", str(folder / "bindings")] if dialect == "bindings" else []
    environ = {"ARCHITECT": json.dumps(configuration), "ARCHITECT_CURRENT_SERVICE": OWNER}
    return call_command("env", "--export", dialect, *more, *arguments, cwd=folder, **environ)


def variables(text, dialect):
    """Return the variables that a shell or Compose reads from an export."""
    lines = text.splitlines()
    if dialect == "compose":
        pairs = [line.strip().split(": ", 1) for line in lines[1:]]
        return {name: json.loads(value) for name, value in pairs}
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


@pytest.fixture(scope="module", params=DIALECTS)
def exported(request, configuration, tmp_path_factory):
    """A dialect, and the variables of an export with secrets."""
    done = export(configuration, tmp_path_factory.mktemp("export"), request.param, "--show-secrets")
    assert (done.exit_code, "Traceback" in done.stderr) == (0, False), done.stderr
    found = variables(done.stdout, request.param)
    if request.param == "compose":  # which takes "$$" for "$", and fills in variables, of which none is set
        found = {
            name: re.sub(r"\$(\$|\w+|\{\w+\})", lambda at: "$" * (at[1] == "$"), url) for name, url in found.items()
        }
    return request.param, found


@pytest.fixture
def read_back(exported, monkeypatch, tmp_path):
    """A resolver in the environment that was exported."""
    for name, value in exported[1].items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Resolver()


def content(options):
    """Options with the content of the files that they name."""
    names = ("ca", "certificate", "key")
    read = {
        key: Path(value).read_text().strip() for key, value in options.items() if key in names and Path(value).exists()
    }
    return {**options, **read}


def fields(db):
    """Return all fields of credentials, with the content of TLS files instead of their paths."""
    url = None if db.url is None else parse_url(db.url)
    parts = None if url is None or db.engine == "sqlite" else (url.scheme, url.fields, len(url.options))
    return db.engine, db.hosts, db.port, db.username, db.password, db.name, content(db.options), parts


@pytest.mark.parametrize("name", DATASTORES)
def test_a_datastore_is_read_back_as_the_same(configuration, read_back, name):
    before = Resolver(configuration, current_service=OWNER).datastore(name)
    assert fields(read_back.datastore(name)) == fields(before)


def addresses(service, several):
    """Where each instance of a service is, and whether with TLS."""
    config = service.config
    found = []
    for each in (config.instances if several else ()) or [config]:
        address = parse_address(each.host, each.port)
        login = address.username, address.password
        found.append((address.scheme in {"https", "grpcs"}, address.netloc, address.path, login))
    return config.api, found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_read_back_as_the_same(exported, read_back, name):
    several = exported[0] in {"ARCHITECT", "aspire"}
    assert addresses(read_back.service(name), several) == addresses(Resolver(SERVICES).service(name), several)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_show_secrets_none_is_anywhere(configuration, tmp_path, dialect):
    done = export(configuration, tmp_path, dialect)
    assert (done.exit_code, "Traceback" in done.stderr) == (0, False), done.stderr
    files = [file.read_text() for file in (tmp_path / "bindings").rglob("*") if file.is_file()]
    assert CANARY not in "".join([done.stdout, done.stderr, *files])
    assert "PG_FIELDS_URL" in done.stdout or dialect != "compose"


def test_a_compose_file_without_secrets_works_once_its_variables_are_set(configuration, tmp_path, monkeypatch):
    lines = variables(export(configuration, tmp_path, "compose").stdout, "compose")
    for name, options in {"pg_login_beside_a_url": "connect_timeout=3", "redis-socket": "db=2"}.items():
        stem = name.upper().replace("-", "_")
        values = {f"{stem}_PASSWORD": ENCODED, f"{stem}_OPTIONS": options}
        url = re.sub(r"\$\{(\w+):\?\}", lambda match, values=values: values[match[1]], lines[f"{stem}_URL"])
        monkeypatch.setenv(f"{stem}_URL", url)
        wanted = Resolver(configuration, current_service=OWNER).datastore(name)
        assert Resolver().datastore(name).url == wanted.url


def test_a_warning_names_tls_files_of_which_only_the_path_is_exported(configuration, tmp_path):
    warnings = export(configuration, tmp_path, "compose", "--show-secrets").stderr.splitlines()
    path = "only the path is exported, the file must exist there too"
    files = f"architect: the datastore 'pg_files': ca, certificate, key: {path}"
    assert files in warnings
    warnings = export(configuration, tmp_path, "bindings", "--show-secrets").stderr.splitlines()
    assert files not in warnings
    assert files.replace("pg_files", "pg_absent_file").replace(", certificate, key", "") in warnings


def test_a_binding_has_files_of_tls_as_files_and_its_url_names_no_others(configuration, tmp_path):
    export(configuration, tmp_path, "bindings", "--show-secrets")
    files = {file.name: file.read_text() for file in (tmp_path / "bindings" / "pg-files").iterdir()}
    assert files["ca.crt"] == f"-----BEGIN CA {CANARY}-----"
    assert files.keys() >= {"tls.crt", "tls.key"}
    assert files["uri"].endswith("@db:1234/?sslmode=verify-full")


@pytest.mark.parametrize("dialect", ["aspire", "compose"])
def test_a_datastore_without_a_url_is_reported_and_not_exported(tmp_path, dialect):
    entries = {"queue": {"type": "generic", "host": "q", "password": CANARY}, "db": {"type": "sqlite", "name": "x.db"}}
    done = export({OWNER: {"api": None, "datastores": entries}}, tmp_path, dialect, "--show-secrets")
    assert done.exit_code == 1
    assert "sqlite:///x.db" in done.stdout
    assert done.stderr == (
        f"architect: the datastore 'queue' is omitted: {dialect} cannot express an address that is no URL. "
        "Export it as ARCHITECT\n"
    )
    assert CANARY not in done.stdout


def test_an_option_that_a_url_would_turn_into_text_is_reported_and_not_exported(tmp_path):
    entry = {"url": "pulsar://k:1", "options": {"acks": 1}}
    done = export({OWNER: {"api": None, "datastores": {"queue": entry}}}, tmp_path, "bindings", "--show-secrets")
    assert done.exit_code == 1
    assert "cannot express it so that it is read back as the same (options, url)" in done.stderr
