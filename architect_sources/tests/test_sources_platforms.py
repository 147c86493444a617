"""What every platform says is read as the same entries, and the first source in the order of precedence wins."""

from __future__ import annotations

import json

import pytest

import architect.sdk as architect
from architect_core.plugins.known import PRECEDENCE

pytestmark = pytest.mark.usefixtures("parser")

URL = "postgresql://app:s3cret@db:5432/shop"


def in_bindings(name, **files):
    return lambda binding: binding(name, files) and {}


def in_vcap(services):
    return lambda binding: {"VCAP_SERVICES": json.dumps(services)}


def variables(**values):
    return lambda binding: values


SERVICES = {
    "bindings: uri": in_bindings("acme-billing", type="http", uri="http://billing:8080"),
    "bindings: host": in_bindings("billing", type="rest", host="http://billing", port="8080"),
    "aspire": variables(**{"services__acme-billing__http__0": "http://billing:8080"}),
    "aspire: underscores": variables(services__billing__http__0="http://billing:8080"),
    "aspire: other languages": variables(ACME_BILLING_HTTP="http://billing:8080"),
    "vcap": in_vcap({"user-provided": [{"name": "acme-billing", "credentials": {"uri": "http://billing:8080"}}]}),
    "urls": variables(ACME_BILLING_URL="http://billing:8080"),
    "urls: short": variables(BILLING_URL="http://billing:8080"),
}
DATASTORES = {
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
}
MANY = {"aspire": variables(services__billing__http__1="http://b1:8081", services__billing__http__0="http://b0:8080")}
SECRETS = {"bindings": DATASTORES["bindings: fields"]}


@pytest.fixture
def prepare(monkeypatch, binding):
    def prepare(make):
        for name, value in make(binding).items():
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
def test_a_secret_is_read_from_a_file_in(prepare, source):
    prepare(SECRETS[source])
    assert architect.datastore("primary_db").password == "s3cret"


# DNS has tests of its own, with a server
SOURCES = ["configure", *(name for name in PRECEDENCE if name != "dns")]


def everything(tmp_path, monkeypatch, binding):
    """Configures billing and primary_db in every source, each with a host of its own."""
    urls = {name: f"http://{name}.test:80" for name in SOURCES}
    databases = {name: f"postgresql://{name}.test:80/x" for name in SOURCES}
    services = {name: {"host": url, "api": "rest"} for name, url in urls.items()}
    own = {name: {"api": None, "datastores": {"primary_db": {"url": url}}} for name, url in databases.items()}
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "acme/shop")
    monkeypatch.setenv(
        "ARCHITECT", json.dumps({"acme/billing": services["environment"], "acme/shop": own["environment"]})
    )
    binding("billing", {"type": "http", "uri": urls["bindings"]})
    binding("primary_db", {"type": "postgresql", "uri": databases["bindings"]})
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


def test_of_all_sources_the_first_in_the_order_of_precedence_wins(monkeypatch, tmp_path, binding):
    config = everything(tmp_path, monkeypatch, binding)
    chain = "environment,bindings,aspire,vcap,urls,local"
    resolver = architect.Resolver(config, source=chain)
    assert resolver.service("acme/billing").config.host == "http://configure.test:80"
    assert resolver.datastore("primary_db").url is None
    for expected, variables in REMOVED.items():
        resolver = architect.Resolver()
        assert resolver.service("acme/billing").config.host == f"http://{expected}.test:80"
        assert f"//{expected}.test" in resolver.datastore("primary_db")["url"]
        found = [each.source for each in resolver.catalog.all("services", "acme/billing")]
        assert found == SOURCES[SOURCES.index(expected) :]
        for name in variables:
            monkeypatch.delenv(name)
    with pytest.raises(architect.UnknownServiceError):
        architect.Resolver().service("acme/billing")


def test_an_entry_is_taken_whole_so_that_no_password_reaches_the_host_of_another_source(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"a": {"api": None, "datastores": {"db": {"host": "mine"}}}}))
    monkeypatch.setenv("ARCHITECT_CURRENT_SERVICE", "a")
    monkeypatch.setenv("DB_URL", "postgresql://app:s3cret@theirs/x")
    assert dict(architect.datastore("db")) == {"host": "mine"}


def test_the_sources_and_their_order_can_be_stated(monkeypatch, tmp_path, binding):
    everything(tmp_path, monkeypatch, binding)
    monkeypatch.setenv("ARCHITECT_SOURCE", "urls, bindings")
    assert architect.service("acme/billing").config.host == "http://urls.test:80"
    monkeypatch.delenv("BILLING_URL")
    assert architect.Resolver().service("acme/billing").config.host == "http://bindings.test:80"


def test_a_malformed_source_affects_no_name_that_is_found_before_it(monkeypatch):
    monkeypatch.setenv("ARCHITECT", json.dumps({"acme/billing": {"host": "http://billing", "api": "rest"}}))
    monkeypatch.setenv("VCAP_SERVICES", "{")
    assert architect.service("acme/billing").config.host == "http://billing"
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


SECRET = "s3cret-canary"
NO_TEXT = f"{SECRET}\ud800"
MALFORMED = {
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
        "x[0]: credentials.port: a port is a number",
    ),
    "vcap with a login that is no text": (
        {"VCAP_SERVICES": json.dumps({"x": [{"name": "db", "credentials": {"uri": "http://b", "password": NO_TEXT}}]})},
        "x[0]: credentials: has a user name or password that is no text",
    ),
    "url without a scheme": ({"DB_URL": f"{SECRET}:80"}, "the environment variable DB_URL: has no scheme; write all"),
    "url with an unprintable host": ({"DB_URL": "http://a b/" + SECRET}, "the environment variable DB_URL"),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_what_is_malformed_is_told_with_its_place_and_without_its_content(monkeypatch, how):
    environ, reason = MALFORMED[how]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    errors = []
    for ask in (architect.service, architect.datastore):
        try:
            ask("db")
        except architect.ArchitectError as problem:
            errors.append(problem)
    assert any(reason in str(error) for error in errors)
    for error in errors:
        assert SECRET not in repr((str(error), vars(error), error.__context__))


def test_the_names_that_platforms_list_are_known(monkeypatch, tmp_path, binding):
    everything(tmp_path, monkeypatch, binding)
    with pytest.raises(architect.UnknownServiceError) as caught:
        architect.service("acme/biling")
    assert caught.value.known == ("acme/billing", "acme/shop", "billing")
    with pytest.raises(architect.UnknownDatastoreError) as caught:
        architect.datastore("primary_bd")
    assert caught.value.known == ("primary_db",)
