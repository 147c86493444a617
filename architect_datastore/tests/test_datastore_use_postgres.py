"""PostgreSQL's drivers connect with what `for_driver` gives them."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
import redshift_connector
from datastore_certificates import Files
from datastore_connecting import over_async_sqlalchemy, over_dbapi, over_django, over_sqlalchemy
from datastore_forwarding import forwarded
from datastore_servers import free_port, provision, running, temporary_folder
from datastore_texts import AWKWARD, TEXTS
from psycopg import sql

from architect_core.exceptions import DriverError
from architect_datastore.postgres_server import PostgresProvisioner

# of asyncpg and redshift_connector, see `collected`
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

WHO = "SELECT current_user, current_database()"
SECURED = "SELECT CAST(ssl AS int) FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def over_asyncpg(arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    async def run() -> tuple[Any, ...]:
        connection = await asyncpg.connect(**arguments)
        try:
            return tuple(await connection.fetchrow(query))
        finally:
            await connection.close()

    return asyncio.run(run())


DRIVERS: dict[str, Callable[[dict[str, Any], str], tuple[Any, ...]]] = {
    "psycopg": partial(over_dbapi, psycopg.connect),
    "psycopg2": partial(over_dbapi, psycopg2.connect),
    "asyncpg": over_asyncpg,
    "sqlalchemy": over_sqlalchemy,
    "sqlalchemy+psycopg": over_sqlalchemy,
    "sqlalchemy+psycopg2": over_sqlalchemy,
    "sqlalchemy+asyncpg": over_async_sqlalchemy,
    "django": over_django,
}
each_driver = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture(autouse=True)
def collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """These drivers never close a connection that fails; the warning belongs to no later test."""
    yield
    if any(driver in request.node.name for driver in ("asyncpg", "redshift")):
        gc.collect()


def ask(db: Any, driver: str, query: str = WHO) -> tuple[Any, ...]:
    return DRIVERS[driver](db.for_driver(driver), query)


@pytest.fixture(scope="module")
def server(certificates: Files) -> Iterator[Mapping[str, Any]]:
    """The entry of a server with TLS, which has a user with a password and a database for each awkward text.

    The user "certified" logs in with a certificate, and over TLS alone; "redshift" without SCRAM.
    """
    with temporary_folder() as folder:
        port = free_port()
        provisioned = provision(PostgresProvisioner(), {"username": "app", "name": "shop"}, folder, port)
        files = folder / "tls"
        shutil.copytree(Path(certificates.ca).parent, files)
        for path in (files, *files.iterdir()):
            if provisioned.user is not None:
                os.chown(path, *provisioned.user)
        logins = folder / "data" / "pg_hba.conf"
        lines = ("hostssl all certified 127.0.0.1/32 cert", "host all redshift 127.0.0.1/32 password")
        logins.write_text("\n".join((*lines, "local all all scram-sha-256", logins.read_text())))
        assert provisioned.command is not None
        names = {"ssl_ca_file": "ca", "ssl_cert_file": "certificate", "ssl_key_file": "key"}
        settings = ["ssl=on", *(f"{setting}={files / name}.pem" for setting, name in names.items())]
        sockets = folder / "sockets"
        sockets.mkdir(mode=0o777)
        sockets.chmod(0o777)
        settings.append(f"unix_socket_directories={sockets}")
        command = (*provisioned.command, *(part for setting in settings for part in ("-c", setting)))
        with running(dataclasses.replace(provisioned, command=command), folder, port):
            entry = provisioned.entry
            login = {"user": "app", "password": entry["password"], "dbname": "shop", "host": "127.0.0.1", "port": port}
            with psycopg.connect(**login, autocommit=True) as connection:
                if connection.info.server_version >= 160_000:  # of thousands, asyncpg computes each in Python
                    connection.execute("SET scram_iterations = 1")
                for text in (*TEXTS, "certified", "redshift"):
                    name, password = sql.Identifier(text), sql.Literal(text)
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
                    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
            yield {**entry, "sockets": str(sockets)}


def login(server: Mapping[str, Any], text: str = AWKWARD, **more: Any) -> dict[str, Any]:
    place = {"type": "postgres", "host": server["host"], "port": server["port"]}
    return {**place, "username": text, "password": text, "name": text, **more}


@each_driver
def test_any_user_password_and_database_get_in_by_fields_and_by_url(server, datastore, driver):
    failed = []
    for text in TEXTS:
        db = datastore(**login(server, text))
        try:
            found = {ask(db, driver), ask(datastore(url=db.url), driver)}
        except Exception:
            found = set()
        if found != {(text, text)}:
            failed.append(text)
    # asyncpg does not escape a comma in the user name that it sends (RFC 5802, 5.1)
    assert set(failed) <= ({"a,b"} if "asyncpg" in driver else set())


@each_driver
def test_a_connection_string_gets_in(server, datastore, driver):
    quoted = '"' + AWKWARD.replace('"', '""') + '"'
    text = f"Host=127.0.0.1;Port={server['port']};Username={quoted};Password={quoted};Database={quoted};Timeout=5"
    assert ask(datastore(connection_string=text), driver) == (AWKWARD, AWKWARD)


@each_driver
def test_a_wrong_password_is_refused_by_the_server(server, datastore, driver):
    with pytest.raises(Exception, match="password authentication failed"):
        ask(datastore(**login(server, password="wrong")), driver)


@each_driver
def test_of_several_hosts_the_one_that_answers_is_used(server, datastore, driver):
    url = f"postgresql://127.0.0.1:{free_port()},127.0.0.1:{server['port']}/"
    entry = login(server, url=url)
    del entry["host"], entry["port"]
    assert ask(datastore(**entry), driver) == (AWKWARD, AWKWARD)


@each_driver
def test_a_socket_s_folder_is_a_host(server, datastore, driver):
    entry = login(server, host=server["sockets"])
    assert ask(datastore(**entry), driver) == (AWKWARD, AWKWARD)
    assert ask(datastore(url=datastore(**entry).url), driver) == (AWKWARD, AWKWARD)


@each_driver
def test_options_of_the_entry_and_of_the_url_reach_the_server(server, datastore, driver):
    url = datastore(**login(server, options={"application_name": "a b", "connect_timeout": 7})).url
    query = "SELECT current_setting('application_name'), current_setting('search_path')"
    db = datastore(url=f"{url}&options=-c%20search_path%3Dpg_catalog")
    assert ask(db, driver, query) == ("a b", "pg_catalog")
    db = datastore(**login(server, options={"application_name": "a b", "options": "-csearch_path=pg_catalog"}))
    assert ask(db, driver, query) == ("a b", "pg_catalog")


@each_driver
def test_options_of_libpq_that_ask_for_nothing_harm_no_driver(server, datastore, driver):
    url = datastore(**login(server)).url + (
        "?channel_binding=prefer&gssencmode=disable&keepalives=1&keepalives_idle=30&tcp_user_timeout=9000"
        "&fallback_application_name=fallen"
    )
    assert ask(datastore(url=url), driver, "SELECT current_setting('application_name')") == ("fallen",)
    url = datastore(**login(server, options={"channel_binding": "prefer"})).url
    assert ask(datastore(url=f"{url}&application_name=own"), driver, WHO) == (AWKWARD, AWKWARD)


def test_channel_binding_is_used_where_the_driver_has_it_and_an_option_can_take_it_back(server, datastore):
    url = datastore(**login(server, options={"sslmode": "require"})).url + "&channel_binding=require"
    assert ask(datastore(url=url), "psycopg") == (AWKWARD, AWKWARD)
    assert ask(datastore(url=url, options={"channel_binding": "prefer"}), "asyncpg") == (AWKWARD, AWKWARD)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg", "sqlalchemy+asyncpg"])
def test_the_system_s_authorities_have_not_signed_the_server(server, certificates, datastore, driver, monkeypatch):
    db = datastore(**login(server, options={"ca": "system"}))
    assert db.options["sslmode"] == "verify-full"
    with pytest.raises(Exception, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        ask(db, driver)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)  # which is OpenSSL's way to name them
    assert ask(db, driver, SECURED) == (1,)


@each_driver
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def test_sslmode_is_what_the_connection_has(server, certificates, datastore, driver, mode):
    options = {"sslmode": mode, **({"ca": certificates.ca} if "verify" in mode else {})}
    db = datastore(**login(server, options=options))
    secured = (0,) if mode in {"disable", "allow"} else (1,)
    assert ask(db, driver, SECURED) == secured
    assert ask(datastore(url=db.url), driver, SECURED) == secured


@each_driver
def test_tls_that_a_key_beside_the_options_asks_for_is_what_the_connection_has(server, certificates, datastore, driver):
    keys = {"sslmode": "verify-full", "sslrootcert": certificates.ca}
    assert ask(datastore(**login(server, **keys)), driver, SECURED) == (1,)
    with pytest.raises(Exception, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        ask(datastore(**login(server, **{**keys, "sslrootcert": certificates.other_ca})), driver)


@each_driver
def test_a_server_that_another_authority_signed_is_refused(server, certificates, datastore, driver):
    options = {"sslmode": "verify-full", "ca": certificates.other_ca}
    with pytest.raises(Exception, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        ask(datastore(**login(server, options=options)), driver)


@each_driver
def test_a_host_that_the_certificate_does_not_name_is_refused_only_by_verify_full(
    server, certificates, datastore, driver
):
    with forwarded("127.0.0.2", server["port"]) as port:
        place = login(server, host="127.0.0.2", port=port)
        for mode in ("verify-ca", "verify-full"):
            db = datastore(**place, options={"ca": certificates.ca, "sslmode": mode})
            if mode == "verify-ca":
                assert ask(db, driver, SECURED) == (1,)
            else:
                with pytest.raises(Exception, match=r"does not match|mismatch"):
                    ask(db, driver)


@each_driver
def test_a_certificate_logs_in(server, certificates, datastore, driver):
    options = {
        "sslmode": "verify-full",
        "ca": certificates.ca,
        "certificate": certificates.client,
        "key": certificates.client_key,
    }
    entry = login(server, "certified", options=options)
    del entry["password"]
    assert ask(datastore(**entry), driver) == ("certified", "certified")


RELATIVES = ("cockroachdb", "timescaledb", "yugabytedb")


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if driver != "django"])
@pytest.mark.parametrize("engine", RELATIVES)
def test_a_relative_is_connected_to_by_its_own_name_and_by_its_url(server, certificates, datastore, engine, driver):
    entry = login(server, type=engine, options={"sslmode": "verify-full", "ca": certificates.ca})
    db = datastore(**entry)
    assert db.url.startswith(f"{engine}://")
    for each in (db, datastore(url=db.url), datastore(type=engine, url=db.url.replace(engine, "postgresql"))):
        assert each.engine == engine
        assert ask(each, driver) == (AWKWARD, AWKWARD)
        assert ask(each, driver, SECURED) == (1,)


def test_django_s_backend_of_cockroachdb_connects_and_finds_another_server(server, datastore):
    with pytest.raises(Exception, match=r"CockroachDB version|crdb_internal"):
        ask(datastore(**login(server, type="cockroachdb")), "django")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_redshift_is_connected_to_with_the_drivers_of_libpq(server, datastore, driver):
    assert ask(datastore(**login(server, type="redshift")), driver) == (AWKWARD, AWKWARD)


def test_redshift_connector_logs_in_and_asks_what_only_redshift_has(server, datastore):
    # the server looks at the user, the password and the database before the parameter, which is none of PostgreSQL's
    db = datastore(**login(server, "redshift", type="redshift", options={"sslmode": "disable"}))
    with pytest.raises(redshift_connector.ProgrammingError, match="client_protocol_version"):
        redshift_connector.connect(**db.for_driver("redshift_connector"))
    for wrong, reason in (({"password": "w"}, "password authentication failed"), ({"name": "w"}, "does not exist")):
        db = datastore(**login(server, "redshift", type="redshift", options={"sslmode": "disable"}) | wrong)
        with pytest.raises(redshift_connector.ProgrammingError, match=reason):
            redshift_connector.connect(**db.for_driver("redshift_connector"))


@pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")  # of the driver's own context
@pytest.mark.parametrize("mode", [None, "prefer", "require", "verify-ca", "verify-full"])
def test_redshift_connector_verifies_a_certificate_unless_tls_is_disabled(server, datastore, mode):
    db = datastore(**login(server, "redshift", type="redshift", options={"sslmode": mode} if mode else {}))
    with pytest.raises(redshift_connector.InterfaceError, match="CERTIFICATE_VERIFY_FAILED"):
        redshift_connector.connect(**db.for_driver("redshift_connector"))


def test_redshift_connector_takes_its_own_options_and_no_authority(datastore):
    url = "redshift://h/d?iam=true&db_user=12&cluster_identifier=c&tcp_keepalive_idle=3&connect_timeout=4"
    arguments = datastore(url=url).for_driver("redshift_connector")
    assert arguments == {
        "host": "h",
        "port": 5439,
        "database": "d",
        "iam": True,
        "db_user": "12",
        "cluster_identifier": "c",
        "tcp_keepalive_idle": 3,
        "timeout": 4,
    }
    db = datastore(type="redshift", host="h", options={"sslmode": "verify-full", "ca": "/ca.pem"})
    with pytest.raises(DriverError, match="redshift_connector does not support the option 'ca'"):
        db.for_driver("redshift_connector")
