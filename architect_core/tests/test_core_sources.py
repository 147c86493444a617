"""Where the configuration comes from: every source, what each can say, and which wins."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import time

import pytest

import architect.sdk as architect

PARSER = """
from architect_core.contract.credentials import CredentialParser
from architect_core.contract.credentials import Credentials
from architect_core.contract.hooks import hookimpl

ARCHITECT_CONTRACT = 1

class Parser(CredentialParser):
    def credentials(self, target):
        return Credentials(target.engine, dict(target.config))

@hookimpl
def architect_credential_parser():
    return Parser()
"""


@pytest.fixture(autouse=True)
def parser(install_plugin, monkeypatch):
    monkeypatch.setenv("ARCHITECT_DISABLED_PLUGINS", "architect-datastore")
    install_plugin(
        "architect-any", dict.fromkeys(("generic", "postgres", "postgresql"), "any_parser"), {"any_parser": PARSER}
    )


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A working directory without a manifest, and nothing of other platforms in the environment."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("SERVICE_BINDING_ROOT", "VCAP_SERVICES", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def binding(root, name, **files):
    folder = root / name
    folder.mkdir(parents=True)
    for key, value in files.items():
        (folder / key.replace("_", "-")).write_text(value)


def secret_file(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    return {"$file": str(tmp_path / "secret")}


BILLING = {"host": "http://billing", "port": 8080, "api": "rest"}
INSTANCES = [{"host": "http://b0", "port": 8080}, {"host": "http://b1", "port": 8081}]
DB = {"type": "postgres", "host": "db", "port": 5432, "username": "app", "password": "s3cret", "name": "shop"}
URL = "postgresql://app:s3cret@db:5432/shop"
OWN = {"acme/shop": {"api": None, "datastores": {"primary_db": DB}}}
CURRENT = {"ARCHITECT_CURRENT_SERVICE": "acme/shop"}


def in_architect(services):
    return lambda tmp_path: {"ARCHITECT": json.dumps(services)} | CURRENT


def in_file(services, name="services.json"):
    def make(tmp_path):
        (tmp_path / name).write_text(services if isinstance(services, str) else json.dumps(services))
        return {"ARCHITECT_FILE": str(tmp_path / name)} | CURRENT

    return make


def in_local(services):
    def make(tmp_path):
        (tmp_path / "elsewhere" / "architect.local.json").write_text(json.dumps(services))
        return {"ARCHITECT_LOCAL": "1"} | CURRENT

    return make


def in_bindings(name, **files):
    def make(tmp_path):
        binding(tmp_path / "bindings", name, **files)
        return {"SERVICE_BINDING_ROOT": str(tmp_path / "bindings")}

    return make


def in_vcap(services):
    return lambda tmp_path: {"VCAP_SERVICES": json.dumps(services)}


def variables(**values):
    return lambda tmp_path: values


def with_pointer(make_services):
    def make(tmp_path):
        return {"ARCHITECT": json.dumps(make_services(secret_file(tmp_path)))} | CURRENT

    return make


SERVICES = {
    "environment": in_architect({"acme/billing": BILLING}),
    "environment: file": in_file({"acme/billing": BILLING}),
    "environment: TOML": in_file(
        '["acme/billing"]\nhost = "http://billing"\nport = 8080\napi = "rest"', "services.toml"
    ),
    "bindings: uri": in_bindings("acme-billing", type="http", uri="http://billing:8080"),
    "bindings: host": in_bindings("billing", type="rest", host="http://billing", port="8080"),
    "aspire": variables(**{"services__acme-billing__http__0": "http://billing:8080"}),
    "aspire: underscores": variables(services__billing__http__0="http://billing:8080"),
    "aspire: other languages": variables(ACME_BILLING_HTTP="http://billing:8080"),
    "vcap": in_vcap({"user-provided": [{"name": "acme-billing", "credentials": {"uri": "http://billing:8080"}}]}),
    "urls": variables(ACME_BILLING_URL="http://billing:8080"),
    "urls: short": variables(BILLING_URL="http://billing:8080"),
    "local": in_local({"acme/billing": BILLING}),
}
DATASTORES = {
    "environment": in_architect(OWN),
    "environment: file": in_file(OWN),
    "bindings: fields": in_bindings(
        "primary_db", type="postgresql", host="db", port="5432", username="app", password="s3cret", database="shop"
    ),
    "bindings: uri": in_bindings("primary-db", type="postgresql", uri=URL),
    "aspire: connection string": variables(**{"ConnectionStrings__primary-db": URL}),
    "aspire: underscores": variables(ConnectionStrings__primary_db=URL),
    "aspire: other languages, URI": variables(PRIMARY_DB_URI=URL),
    "aspire: other languages, properties": variables(
        PRIMARY_DB_HOST="db",
        PRIMARY_DB_PORT="5432",
        PRIMARY_DB_USERNAME="app",
        PRIMARY_DB_PASSWORD="s3cret",
        PRIMARY_DB_DATABASENAME="shop",
    ),
    "vcap: uri": in_vcap({"postgresql": [{"binding_name": "primary-db", "credentials": {"uri": URL}}]}),
    "vcap: fields": in_vcap(
        {
            "postgresql": [
                {
                    "instance_name": "primary_db",
                    "credentials": {
                        "hostname": "db",
                        "port": 5432,
                        "user": "app",
                        "password": "s3cret",
                        "database": "shop",
                    },
                }
            ]
        }
    ),
    "urls": variables(PRIMARY_DB_URL=URL),
    "local": in_local(OWN),
}
MANY = {
    "environment": in_architect({"acme/billing": {"api": "rest", "instances": INSTANCES}}),
    "aspire": variables(services__billing__http__1="http://b1:8081", services__billing__http__0="http://b0:8080"),
    "local": in_local({"acme/billing": {"api": "rest", "instances": INSTANCES}}),
}
SECRETS = {
    "environment: $file": with_pointer(
        lambda secret: {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": secret}}}}
    ),
    "environment: $env": lambda tmp_path: (
        {
            "ARCHITECT": json.dumps(
                {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": {"$env": "DB_PASSWORD"}}}}}
            ),
            "DB_PASSWORD": "s3cret",
        }
        | CURRENT
    ),
    "bindings": DATASTORES["bindings: fields"],
    "local": lambda tmp_path: in_local(
        {"acme/shop": {"api": None, "datastores": {"primary_db": DB | {"password": secret_file(tmp_path)}}}}
    )(tmp_path),
}


@pytest.fixture
def prepare(monkeypatch, tmp_path):
    def prepare(make):
        for name, value in make(tmp_path).items():
            monkeypatch.setenv(name, value)

    return prepare


@pytest.mark.parametrize("source", SERVICES)
def test_a_service_is_found_in(prepare, source):
    prepare(SERVICES[source])
    service = architect.service("acme/billing")
    assert (service.config.api, service.config.host.removesuffix(":8080")) == ("rest", "http://billing")
    assert architect.service("acme/billing") is service


@pytest.mark.parametrize("source", DATASTORES)
def test_a_datastore_is_found_in(prepare, source):
    prepare(DATASTORES[source])
    db = architect.datastore("primary_db")
    assert db.engine.startswith("postgres") or source == "aspire: other languages, properties"
    if db.get("url"):
        assert db["url"] == URL
    else:
        assert (db.host, db.port, db.username, db.password, db.name) == ("db", 5432, "app", "s3cret", "shop")


@pytest.mark.parametrize("source", MANY)
def test_several_instances_are_a_list_in(prepare, source):
    prepare(MANY[source])
    config = architect.service("acme/billing").config
    hosts = [instance.host.rpartition(":808")[0] or instance.host for instance in config.instances]
    assert hosts == ["http://b0", "http://b1"]
    assert config.host == config.instances[0].host


@pytest.mark.parametrize("source", SECRETS)
def test_a_secret_is_read_from_a_file_or_a_variable_in(prepare, source):
    prepare(SECRETS[source])
    assert architect.datastore("primary_db").password == "s3cret"


PRECEDENCE = ["configure", "environment", "bindings", "aspire", "vcap", "urls", "local"]


def everything(tmp_path, monkeypatch):
    """Each source says that billing and primary_db are at a host of its own."""
    urls = {name: f"http://{name}.test:80" for name in PRECEDENCE}
    databases = {name: f"postgresql://{name}.test:80/x" for name in PRECEDENCE}
    services = {name: {"host": url, "api": "rest"} for name, url in urls.items()}
    own = {name: {"api": None, "datastores": {"primary_db": {"url": url}}} for name, url in databases.items()}
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/shop")
    monkeypatch.setenv(
        "ARCHITECT", json.dumps({"acme/billing": services["environment"], "acme/shop": own["environment"]})
    )
    binding(tmp_path / "bindings", "billing", type="http", uri=urls["bindings"])
    binding(tmp_path / "bindings", "primary_db", type="postgresql", uri=databases["bindings"])
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    monkeypatch.setenv("services__billing__http__0", urls["aspire"])
    monkeypatch.setenv("ConnectionStrings__primary_db", databases["aspire"])
    bound = [{"name": "billing", "credentials": {"uri": urls["vcap"]}}]
    bound += [{"name": "primary_db", "credentials": {"uri": databases["vcap"]}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"user-provided": bound}))
    monkeypatch.setenv("BILLING_URL", urls["urls"])
    monkeypatch.setenv("PRIMARY_DB_URL", databases["urls"])
    local = {"acme/billing": services["local"], "acme/shop": own["local"]}
    (tmp_path / "elsewhere" / "architect.local.json").write_text(json.dumps(local))
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    return {"acme/billing": services["configure"], "acme/shop": own["configure"]}


REMOVED = {
    "environment": ["ARCHITECT"],
    "bindings": ["SERVICE_BINDING_ROOT"],
    "aspire": ["services__billing__http__0", "ConnectionStrings__primary_db"],
    "vcap": ["VCAP_SERVICES"],
    "urls": ["BILLING_URL", "PRIMARY_DB_URL"],
    "local": ["ARCHITECT_LOCAL"],
}


def test_of_all_sources_the_first_of_the_documented_order_wins_and_the_others_step_in_one_by_one(monkeypatch, tmp_path):
    config = everything(tmp_path, monkeypatch)
    chain = "environment,bindings,aspire,vcap,urls,local"
    resolver = architect.Resolver(config, source=chain)
    assert resolver.service("acme/billing").config.host == "http://configure.test:80"
    assert resolver.datastore("primary_db").url is None
    for expected, variables in REMOVED.items():
        resolver = architect.Resolver()
        assert resolver.service("acme/billing").config.host == f"http://{expected}.test:80"
        assert f"//{expected}.test" in resolver.datastore("primary_db")["url"]
        found = [each.source for each in resolver.catalog.all("services", "acme/billing")]
        assert found == PRECEDENCE[PRECEDENCE.index(expected) :]
        for name in variables:
            monkeypatch.delenv(name)
    with pytest.raises(architect.UnknownServiceError):
        architect.Resolver().service("acme/billing")


def test_an_entry_is_taken_whole_so_that_no_password_reaches_the_host_of_another_source(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": {"api": None, "datastores": {"db": {"host": "mine"}}}}))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "a")
    monkeypatch.setenv("DB_URL", "postgresql://app:s3cret@theirs/x")
    assert dict(architect.datastore("db")) == {"host": "mine"}


def test_the_sources_and_their_order_can_be_stated(monkeypatch, tmp_path):
    everything(tmp_path, monkeypatch)
    monkeypatch.setenv("ARCHITECT_SOURCE", "urls, bindings")
    assert architect.service("acme/billing").config.host == "http://urls.test:80"
    monkeypatch.delenv("BILLING_URL")
    assert architect.Resolver().service("acme/billing").config.host == "http://bindings.test:80"
    monkeypatch.setenv("ARCHITECT_SOURCE", "urls,urls")
    with pytest.raises(architect.ConfigError, match="the variable ARCHITECT_SOURCE: names a source twice"):
        architect.Resolver().service("acme/billing")


def test_a_malformed_source_disturbs_nobody_who_finds_a_name_before_it(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"acme/billing": BILLING}))
    monkeypatch.setenv("VCAP_SERVICES", "{")
    assert architect.service("acme/billing").config.port == 8080
    with pytest.raises(architect.ConfigError, match="the environment variable VCAP_SERVICES: is not JSON"):
        architect.service("acme/other")


@pytest.mark.parametrize(
    ("variable", "first", "second"),
    [
        ("PAY_API_URL", "acme/pay-api", "acme/pay_api"),
        ("ACME_PAY_API_URL", "acme/pay-api", "acme-pay/api"),
        ("PAY_API_HTTP", "acme/pay-api", "other/pay-api"),
        ("services__pay-api__http__0", "acme/pay-api", "other/pay-api"),
    ],
)
def test_two_names_that_lead_to_one_variable_are_an_error_that_names_both(monkeypatch, variable, first, second):
    monkeypatch.setenv(variable, "http://one:80")
    assert architect.service(first).config.host == "http://one:80"
    with pytest.raises(architect.ConfigError, match=f"is meant for '{first}' and for '{second}'"):
        architect.service(second)


def test_a_service_and_a_datastore_of_different_names_do_not_share_a_variable(monkeypatch):
    monkeypatch.setenv("BILLING_URL", "http://one:80")
    assert architect.service("acme/billing").config.host == "http://one:80"
    with pytest.raises(architect.ConfigError, match="is meant for 'acme/billing' and for 'billing'"):
        architect.datastore("billing")
    monkeypatch.setenv("ACME_BILLING_URL", "http://two:80")
    resolver = architect.Resolver()
    assert resolver.service("acme/billing").config.host == "http://two:80"
    assert resolver.datastore("billing")["url"] == "http://one:80"


def test_a_local_file_is_read_only_when_it_is_asked_for(monkeypatch, tmp_path):
    (tmp_path / "elsewhere" / "architect.local.json").write_text(json.dumps({"acme/billing": BILLING}))
    for off in ("", "0", "false"):
        monkeypatch.setenv("ARCHITECT_LOCAL", off)
        with pytest.raises(architect.UnknownServiceError):
            architect.Resolver().service("acme/billing")
    monkeypatch.setenv("ARCHITECT_LOCAL", str(tmp_path / "elsewhere" / "architect.local.json"))
    assert architect.Resolver().service("acme/billing").config.port == 8080
    (tmp_path / "elsewhere" / "architect.local.json").unlink()
    monkeypatch.setenv("ARCHITECT_LOCAL", "1")
    with pytest.raises(architect.ConfigError, match=r"ARCHITECT_LOCAL: asks for architect\.local\.json or"):
        architect.Resolver().service("acme/billing")


SECRET = "s3cret-canary"
NO_TEXT = f"{SECRET}\ud800"
MALFORMED = {
    "file that is not there": (
        {"ARCHITECT_FILE": "/no/such/file"},
        "the file /no/such/file (ARCHITECT_FILE): cannot be r",
    ),
    "both": ({"ARCHITECT": "{}", "ARCHITECT_FILE": "x"}, "both ARCHITECT and ARCHITECT_FILE are set"),
    "bindings that are not there": (
        {"SERVICE_BINDING_ROOT": "/no/such/folder"},
        "(SERVICE_BINDING_ROOT): cannot be lis",
    ),
    "vcap that is a list": ({"VCAP_SERVICES": f'["{SECRET}"]'}, "must be a JSON object, not an array"),
    "vcap without a list": ({"VCAP_SERVICES": json.dumps({"x": SECRET})}, "x[0]: must be an object with `credentials`"),
    "vcap with a text": ({"VCAP_SERVICES": json.dumps({"x": [SECRET]})}, "x[0]: must be an object with `credentials`"),
    "vcap that is no JSON": ({"VCAP_SERVICES": f'{{"{SECRET}'}, "is not JSON"),
    "vcap with one name twice": (
        {"VCAP_SERVICES": json.dumps({"x": [{"name": "n", "credentials": {"password": SECRET}}] * 2})},
        "x[1]: has a name that x[0] has too",
    ),
    "vcap with a wrong port": (
        {"VCAP_SERVICES": json.dumps({"x": [{"name": "db", "credentials": {"host": "h", "port": SECRET}}]})},
        "x[0]: port: a port is a number",
    ),
    "vcap with a login that is no text": (
        {"VCAP_SERVICES": json.dumps({"x": [{"name": "db", "credentials": {"uri": "http://b", "password": NO_TEXT}}]})},
        "x[0]: credentials: has a user name or password that is no text",
    ),
    "a configuration in place of its file": (
        {"ARCHITECT_FILE": f'{{"db": {{"password": "{SECRET}"}}}}'},
        "the environment variable ARCHITECT_FILE: must name a file, and holds something else; a configuration itself",
    ),
    "a local configuration in place of its file": (
        {"ARCHITECT_LOCAL": f'[db]\npassword = "{SECRET}"'},
        "the environment variable ARCHITECT_LOCAL: must name a file",
    ),
    "a surrogate in JSON": (
        {"ARCHITECT": f'{{"db": {{"options": {{"x": ["{SECRET}\\udcff"]}}}}}}'},
        "db.options.x[0]: has a character that is no text",
    ),
    "a variable that is no text": (
        {"ARCHITECT": '{"db": {"options": {"x": {"$env": "PASSWORD"}}}}', "PASSWORD": f"{SECRET}\udcff"},
        "db.options.x: the variable that $env names has a character that is no text",
    ),
    "url without a scheme": ({"DB_URL": f"{SECRET}:80"}, "the environment variable DB_URL: has no scheme; write all"),
    "url with an unprintable host": ({"DB_URL": "http://a b/" + SECRET}, "the environment variable DB_URL"),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_what_is_malformed_is_told_with_its_place_and_without_its_content(monkeypatch, how):
    environ, told = MALFORMED[how]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    errors = []
    for ask in (architect.service, architect.datastore):
        try:
            ask("db")
        except architect.ArchitectError as problem:
            errors.append(problem)
    assert any(told in str(error) for error in errors)
    for error in errors:
        assert SECRET not in repr((str(error), vars(error), error.__context__))


@pytest.mark.parametrize(
    ("pointer", "told"),
    [
        ({"$file": "/no/such/secret"}, "the file that it names cannot be read (No such file or directory)"),
        ({"$file": ""}, "$file must name a file"),
        ({"$file": 7}, "$file must name a file"),
        ({"$env": "NOT_SET_AT_ALL"}, "$env names a variable that is not set"),
        ({"$env": None}, "$env must name a variable"),
    ],
)
def test_a_pointer_that_leads_nowhere_is_told_with_its_path(pointer, told):
    resolver = architect.Resolver({"a": {"datastores": {"db": {"password": pointer}}}})
    with pytest.raises(architect.ConfigError) as caught:
        resolver.service("a")
    assert str(caught.value) == f"the configuration given in code: a.datastores.db.password: {told}"


def test_a_file_of_a_megabyte_more_or_of_no_text_is_no_secret(tmp_path):
    for content, told in ((b"x" * (1 << 20) + b"x", "larger than 1 MiB"), (b"\xff", "not UTF-8")):
        (tmp_path / "secret").write_bytes(content)
        pointer = {"$file": str(tmp_path / "secret")}
        with pytest.raises(architect.ConfigError, match=told):
            architect.Resolver({"a": {"datastores": {"db": {"password": pointer}}}}).service("a")


BROKERS = {
    "a user provides it": ({"uri": "mysql://u:p@h/d"}, {"url": "mysql://u:p@h/d"}),
    "a queue": ({"hostname": "h", "vhost": "v", "name": "bound"}, {"host": "h", "name": "v"}),
    "the name of what was bound": ({"uri": "redis://:p@h:1", "name": "bound"}, {"url": "redis://:p@h:1"}),
    "a database beside a URI": ({"uri": "mysql://h", "database": "d"}, {"url": "mysql://h", "name": "d"}),
    "a database without one": ({"host": "h", "name": "d"}, {"host": "h", "name": "d"}),
    "a URL for JDBC": ({"url": "jdbc:sap://h:1", "host": "h", "port": 1}, {"host": "h", "port": 1}),
    "its host in a list too": ({"host": "h", "hosts": ["h"]}, {"host": "h"}),
    "no credentials": (None, {}),
}


@pytest.mark.parametrize("how", BROKERS)
def test_what_brokers_bind_is_understood(monkeypatch, how):
    credentials, expected = BROKERS[how]
    bound = [{"binding_name": "db", "instance_name": "prod", "credentials": credentials}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"user-provided": bound}))
    catalog = architect.Resolver().catalog
    found = catalog.datastore("db", None).entry.model_dump(exclude_unset=True, exclude={"kind"})
    assert found == expected
    assert catalog.datastore("prod", None).entry.name == expected.get("name")
    assert catalog.names("datastores") == ["db"]
    with pytest.raises(architect.ConfigError, match=r"user-provided\[0\] \(db\): is meant for 'db' and for 'acme/db'"):
        catalog.datastore("acme/db", None)


@pytest.mark.parametrize(
    ("label", "tags", "expected"),
    [
        ("p.redis", [], "redis"),
        ("rediscloud", ["Data Store", "redis", "key-value"], "redis"),
        ("PostgreSQL", ["mysql"], "postgresql"),
        ("hana", ["database"], "hana"),
        ("hana", None, "hana"),
        ("hana", [1], "hana"),
        ("databases-for-postgresql", [], "postgresql"),
    ],
)
def test_the_engine_of_what_a_broker_binds_is_in_its_label_or_its_tags(monkeypatch, label, tags, expected):
    bound = [{"name": "db", "tags": tags, "credentials": {"host": "h"}}]
    bound += [{"name": "own", "tags": tags, "credentials": {"connection": {"uri": "redis://h"}}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({label: bound}))
    catalog = architect.Resolver().catalog
    assert catalog.datastore("db", None).entry.kind == expected
    assert catalog.datastore("own", None).entry.kind == label.lower()


def test_a_bound_datastore_is_not_taken_by_who_asks_for_a_service(monkeypatch):
    bound = [{"name": "redis", "credentials": {"host": "h", "port": 1}}]
    monkeypatch.setenv("VCAP_SERVICES", json.dumps({"p.redis": bound}))
    monkeypatch.setenv("ACME_REDIS_URL", "http://admin:1")
    resolver = architect.Resolver()
    assert resolver.service("acme/redis").config.host == "http://admin:1"
    assert resolver.catalog.datastore("redis", None).entry.host == "h"


TOML = {
    "1979-05-27T07:32:00Z": "is a date or a time, which JSON has not; write it as text, in quotes",
    "1979-05-27": "is a date or a time",
    "07:32:00": "is a date or a time",
    "nan": "must be a finite number",
    "-inf": "must be a finite number",
    "[" * 40 + "]" * 40: "is nested too deeply",
}


@pytest.mark.parametrize("value", TOML)
def test_what_toml_has_and_json_has_not_is_told_with_its_path(monkeypatch, tmp_path, value):
    (tmp_path / "services.toml").write_text(f'[a]\nhost = "h"\napi = "rest"\noptions = {{ x = [0, {value}] }}\n')
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.toml"))
    with pytest.raises(architect.ConfigError) as caught:
        architect.service("a")
    ((path, reason),) = caught.value.problems
    assert path.startswith("a.options.x[1]")
    assert reason.startswith(TOML[value])


NO_FILES = {"a pipe": "is a pipe that nobody writes to", "a device": "is neither a file nor a pipe"}


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("variable", ["ARCHITECT_FILE", "ARCHITECT_LOCAL", "ARCHITECT"])
def test_what_may_never_end_is_no_file_and_nobody_waits_for_it(monkeypatch, tmp_path, what, variable):
    path = "/dev/zero"
    if what == "a pipe":
        path = str(tmp_path / "pipe")
        os.mkfifo(path)
    pointing = json.dumps({"a": BILLING | {"token": {"$file": path}}})
    monkeypatch.setenv(variable, pointing if variable == "ARCHITECT" else path)
    with pytest.raises(architect.ConfigError, match=NO_FILES[what]):
        architect.service("a")


def test_a_configuration_larger_than_16_mebibytes_is_not_read(monkeypatch, tmp_path):
    with (tmp_path / "services.json").open("wb") as file:
        file.truncate((16 << 20) + 1)
    monkeypatch.setenv("ARCHITECT_FILE", str(tmp_path / "services.json"))
    with pytest.raises(architect.ConfigError, match="is larger than 16 MiB"):
        architect.service("a")


def test_a_pipe_is_read_to_its_end_where_somebody_writes_to_it(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setenv("ARCHITECT_FILE", f"/dev/fd/{reading}")
    text = json.dumps({"acme/billing": BILLING}).encode()

    def write():
        for start in range(0, len(text), 10):
            time.sleep(0.01)
            os.write(writing, text[start : start + 10])
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    assert architect.service("acme/billing").config.port == 8080
    thread.join()
    os.close(reading)


def test_a_malformed_binding_harms_only_who_asks_for_it(monkeypatch, tmp_path):
    binding(tmp_path / "bindings", "bad", type="postgresql", host="db", port=SECRET)
    binding(tmp_path / "bindings", "good", type="postgresql", host="db", port="5432")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    assert architect.datastore("good").port == 5432
    with pytest.raises(architect.ConfigError, match=r"the service binding .*/bindings/bad: port: a port is") as caught:
        architect.datastore("bad")
    assert SECRET not in str(caught.value)


def test_a_binding_s_other_files_are_attributes_and_its_certificates_options(monkeypatch, tmp_path):
    binding(
        tmp_path / "bindings", "db", type="kafka", provider="acme", host="k", custom="yes", ca_crt="PEM", password="p\n"
    )
    (tmp_path / "bindings" / "db" / "ca-crt").rename(tmp_path / "bindings" / "db" / "ca.crt")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    found = architect.Resolver().catalog.datastore("db", None)
    assert found.entry.options == {"ca": str(tmp_path / "bindings" / "db" / "ca.crt")}
    assert (found.entry["provider"], found.entry["custom"], found.entry.password) == ("acme", "yes", "p")
    assert (found.source, found.where) == ("bindings", f"the service binding {tmp_path / 'bindings' / 'db'}")


@pytest.mark.parametrize(
    ("key", "kind"),
    [*itertools.product(["type", "api", "password", "uri"], ["link", "folder", "bytes"]), ("sslmode", "link")],
)
def test_what_cannot_be_read_in_a_binding_is_told_and_not_left_out(monkeypatch, tmp_path, key, kind):
    binding(tmp_path / "bindings", "db", type="postgresql", host="h")
    path = tmp_path / "bindings" / "db" / key
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to("nowhere")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    ask = architect.service if key == "api" else architect.datastore
    with pytest.raises(architect.ConfigError, match=f"/bindings/db: {key}: "):
        ask("db")


def test_a_binding_whose_folder_cannot_be_listed_is_told_to_who_asks_for_it(monkeypatch, tmp_path):
    for name in ("db", "other"):
        binding(tmp_path / "bindings", name, type="postgresql", host=name)
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    assert architect.datastore("other").host == "other"
    shutil.rmtree(tmp_path / "bindings" / "db")
    with pytest.raises(architect.ConfigError, match="/bindings/db: cannot be listed"):
        architect.datastore("db")


@pytest.mark.parametrize(
    ("type", "host", "expected"),
    [("rest", "h", "https://h"), ("http", "h", "h"), ("rest", "http://h", "http://h"), ("grpc", "h", "h")],
)
def test_a_service_binding_s_certificates_are_its_option_tls(monkeypatch, tmp_path, type, host, expected):
    files = {"ca.crt": "ca", "certificates": "certificate", "private-key": "key"}
    binding(tmp_path / "bindings", "billing", type=type, host=host, **dict.fromkeys(files, "PEM"))
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    found = architect.service("acme/billing").config
    folder = tmp_path / "bindings" / "billing"
    assert found.options == {"tls": {option: str(folder / key) for key, option in files.items()}}
    assert found.host == expected


def test_a_key_without_a_certificate_may_be_one_to_anything(monkeypatch, tmp_path):
    binding(tmp_path / "bindings", "billing", type="http", uri="http://api", private_key="PEM")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    found = architect.service("billing").config
    assert (found.options, found["key"]) == ({}, str(tmp_path / "bindings" / "billing" / "private-key"))


def test_certificates_without_a_key_are_those_of_authorities(monkeypatch, tmp_path):
    binding(tmp_path / "bindings", "db", type="kafka", host="k", certificates="PEM")
    (tmp_path / "bindings" / "db" / "ca.crt").touch()  # as in a secret of Kubernetes that has none
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    found = architect.Resolver().catalog.datastore("db", None)
    assert found.entry.options == {"ca": str(tmp_path / "bindings" / "db" / "certificates")}


def test_a_service_binding_with_a_login_is_a_host_with_one(monkeypatch, tmp_path):
    binding(tmp_path / "bindings", "billing", type="https", host="billing", username="me", password="p@ss")
    monkeypatch.setenv("SERVICE_BINDING_ROOT", str(tmp_path / "bindings"))
    assert architect.service("acme/billing").config.host == "https://me:p%40ss@billing"


def test_names_that_can_be_told_are_listed(monkeypatch, tmp_path):
    everything(tmp_path, monkeypatch)
    with pytest.raises(architect.UnknownServiceError) as caught:
        architect.service("acme/biling")
    assert caught.value.known == ("acme/billing", "acme/shop", "billing")
    with pytest.raises(architect.UnknownDatastoreError) as caught:
        architect.datastore("primary_bd")
    assert caught.value.known == ("primary_db",)
