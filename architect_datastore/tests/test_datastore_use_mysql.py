"""The drivers of MySQL and MariaDB connect with what `for_driver` gives them."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiomysql
import pymysql
import pytest
from datastore_certificates import Files
from datastore_connecting import over_async_sqlalchemy, over_dbapi, over_django, over_sqlalchemy
from datastore_forwarding import forwarded
from datastore_servers import free_port, missing, program, running, temporary_folder
from datastore_texts import AWKWARD, TEXTS

from architect_core.contract import Provisioned
from architect_core.exceptions import DriverError

# aiomysql leaves sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

HOST = "127.0.0.1"
REFUSED = r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|Can't connect|TLS/SSL error|mismatch"
WHO = "SELECT SUBSTRING_INDEX(USER(), '@', CHAR_LENGTH(USER()) - CHAR_LENGTH(REPLACE(USER(), '@', ''))), DATABASE()"
SECURED = "SHOW STATUS LIKE 'Ssl_cipher'"


def over_aiomysql(arguments: dict[str, Any], query: str) -> tuple[Any, ...]:
    async def run() -> tuple[Any, ...]:
        connection = await aiomysql.connect(**arguments)
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(query)
                return tuple(await cursor.fetchone())
        finally:
            await connection.ensure_closed()

    return asyncio.run(run())


try:
    version("mysqlclient")
except PackageNotFoundError:  # it has to be compiled, with headers that few machines have; Django takes PyMySQL for it
    pymysql.version_info = (2, 2, 1, "final", 0)
    pymysql.install_as_MySQLdb()
    COMPILED = {}
else:
    import MySQLdb

    COMPILED = {
        "mysqlclient": partial(over_dbapi, MySQLdb.connect),
        "sqlalchemy": over_sqlalchemy,
        "sqlalchemy+mysqldb": over_sqlalchemy,
    }

DRIVERS: dict[str, Callable[[dict[str, Any], str], tuple[Any, ...]]] = {
    "pymysql": partial(over_dbapi, pymysql.connect),
    "aiomysql": over_aiomysql,
    **COMPILED,
    "sqlalchemy+pymysql": over_sqlalchemy,
    "sqlalchemy+aiomysql": over_async_sqlalchemy,
    "django": over_django,
}
OVER_COMPILED = {*COMPILED, "django"} if COMPILED else set()
# PyMySQL under mysqlclient's name encodes a password in its own way, and has its own arguments for TLS
STAND_INS = set() if COMPILED else {"django"}
each_driver = pytest.mark.parametrize("driver", DRIVERS)
each_real = pytest.mark.parametrize("driver", [driver for driver in DRIVERS if driver not in STAND_INS])


def ask(db: Any, driver: str, query: str = WHO) -> tuple[Any, ...]:
    return DRIVERS[driver](db.for_driver(driver), query)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


@pytest.fixture(scope="module")
def accounts() -> Iterator[dict[str, dict[str, Any]]]:
    """The login of a user with a database of its own, by its text, on the server at the local default port."""
    place = {"type": "mysql", "host": HOST, "port": 3306}
    try:
        root = pymysql.connect(user="root", host=HOST, charset="utf8mb4")
    except pymysql.err.OperationalError as problem:
        missing(f"no MySQL for root without a password on {HOST}:3306: {problem}")
    mark = secrets.token_hex(4)
    made = {text: {**place, "username": f"{mark}{text}", "password": text, "name": f"{mark}{text}"} for text in TEXTS}
    with root, root.cursor() as cursor:
        try:
            for text, login in made.items():
                name = quoted(login["name"])
                cursor.execute(f"CREATE DATABASE {name}", ())
                cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (login["username"], text))
                cursor.execute(f"GRANT ALL ON {escaped(name)}.* TO %s@'%%'", (login["username"],))
            yield made
        finally:
            for login in made.values():
                cursor.execute("DROP USER IF EXISTS %s@'%%'", (login["username"],))
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(login['name'])}", ())


def escaped(name: str) -> str:
    """A name in a grant is a pattern."""
    return name.replace("\\", "\\\\").replace("_", r"\_").replace("%%", r"\%%")


@each_driver
def test_any_user_password_and_database_get_in_by_fields_and_by_url(accounts, datastore, driver):
    failed = []
    for text, login in accounts.items():
        if driver in STAND_INS and not text.isascii():
            continue
        db = datastore(**login)
        wanted = (login["username"], login["name"])
        for each in (db, datastore(url=db.url)):
            try:
                found = ask(each, driver)
            except Exception as problem:
                found = problem
            if found != wanted:
                failed.append((text, found))
    assert failed == []


@each_driver
def test_a_connection_string_gets_in(accounts, datastore, driver):
    login = accounts["a;b"]
    text = f"Server={HOST};Port=3306;User ID='{login['username']}';Password='a;b';Database='{login['name']}';Timeout=5"
    assert ask(datastore(connection_string=text), driver) == (login["username"], login["name"])


@each_driver
def test_options_reach_the_server(accounts, datastore, driver):
    options = {"charset": "latin1", "connect_timeout": 7}
    query = "SELECT @@character_set_client, @@character_set_results"
    assert ask(datastore(**accounts["a@b"], options=options), driver, query) == ("latin1", "latin1")


@each_driver
def test_a_wrong_password_is_refused_by_the_server(accounts, datastore, driver):
    with pytest.raises(Exception, match="Access denied"):
        ask(datastore(**accounts["a@b"] | {"password": "wrong"}), driver)


@pytest.fixture(scope="module")
def secure_server(certificates: Files) -> Iterator[Mapping[str, Any]]:
    """The login of a MariaDB server with TLS, which runs for these tests alone."""
    server, install = program("mariadbd"), program("mariadb-install-db")
    with temporary_folder() as folder:
        user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        account = pwd.getpwnam(user)
        files, data = folder / "tls", folder / "data"
        shutil.copytree(Path(certificates.ca).parent, files)
        data.mkdir()
        for path in (files, data, *files.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
        common = ("--no-defaults", f"--datadir={data}", f"--user={user}")
        make = (install, *common, "--auth-root-authentication-method=normal", "--skip-test-db")
        subprocess.run(make, check=True, capture_output=True, timeout=60)
        port = free_port()
        settings = {
            "port": port,
            "bind-address": HOST,
            "socket": data / "server.sock",
            "pid-file": data / "server.pid",
            "ssl-ca": files / "ca.pem",
            "ssl-cert": files / "certificate.pem",
            "ssl-key": files / "key.pem",
        }
        command = (server, *common, *(f"--{key}={value}" for key, value in settings.items()))
        with running(Provisioned({}, command), folder, port):
            with pymysql.connect(user="root", host=HOST, port=port) as root, root.cursor() as cursor:
                cursor.execute("CREATE DATABASE shop")
                for name, more in (("app", ""), ("certified", " REQUIRE X509")):
                    cursor.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY %s{more}", (AWKWARD,))
                    cursor.execute(f"GRANT ALL ON shop.* TO {name}@'%'")
            place = {"type": "mysql", "host": HOST, "port": port}
            yield {**place, "username": "app", "password": AWKWARD, "name": "shop", "socket": str(data / "server.sock")}


def login(server: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**{key: value for key, value in server.items() if key != "socket"}, **more}


@each_real
@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_sslmode_is_what_the_connection_has(secure_server, certificates, datastore, driver, mode):
    options = {"sslmode": mode, **({"ca": certificates.ca} if "verify" in mode else {})}
    db = datastore(**login(secure_server, options=options))
    for each in (db, datastore(url=db.url)):
        secured = bool(ask(each, driver, SECURED)[1])
        assert secured == (mode != "disable") or mode == "prefer"  # mysqlclient on MariaDB's library does without


@each_real
def test_a_server_that_another_authority_signed_is_refused(secure_server, certificates, datastore, driver):
    options = {"sslmode": "verify-full", "ca": certificates.other_ca}
    with pytest.raises(Exception, match=REFUSED):
        ask(datastore(**login(secure_server, options=options)), driver)


@each_real
def test_a_host_that_the_certificate_does_not_name_is_refused_by_verify_full(
    secure_server, certificates, datastore, driver
):
    with forwarded("127.0.0.2", secure_server["port"]) as port:
        entry = login(secure_server, host="127.0.0.2", port=port)
        options = {"ca": certificates.ca, "sslmode": "verify-full"}
        with pytest.raises(Exception, match=REFUSED):
            ask(datastore(**entry, options=options), driver, SECURED)
        if driver in OVER_COMPILED:
            return  # MariaDB's library verifies the host with verify-ca, too
        assert ask(datastore(**entry, options={**options, "sslmode": "verify-ca"}), driver, SECURED)[1]


@each_real
def test_a_certificate_logs_in(secure_server, certificates, datastore, driver):
    entry = login(secure_server, username="certified")
    files = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
    assert ask(datastore(**entry, options=files), driver) == ("certified", "shop")
    with pytest.raises(Exception, match="Access denied"):
        ask(datastore(**entry, options={"ca": certificates.ca}), driver)


# aiomysql goes on without TLS where a server has none, whatever its arguments are
@pytest.mark.parametrize(
    "driver", [driver for driver in DRIVERS if driver not in STAND_INS and "aiomysql" not in driver]
)
def test_a_server_without_tls_is_refused_if_tls_is_required(accounts, datastore, driver):
    # MariaDB's library takes `require` for a wish
    mode = "verify-full" if driver in OVER_COMPILED else "require"
    with pytest.raises(Exception, match=r"SSL|TLS"):
        ask(datastore(**accounts["a@b"], options={"sslmode": mode}), driver)


@each_real
def test_a_socket_is_a_host(secure_server, datastore, driver):
    entry = login(secure_server, host=secure_server["socket"])
    del entry["port"]
    db = datastore(**entry)
    assert ask(db, driver) == ("app", "shop")
    assert ask(datastore(url=db.url), driver) == ("app", "shop")


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if driver not in STAND_INS | {"django"}])
def test_tidb_is_connected_to_with_the_options_that_its_documentation_has(
    secure_server, certificates, datastore, driver
):
    url = datastore(**login(secure_server, type="tidb")).url
    assert url.startswith("tidb://")
    secured = f"{url}?ssl_ca={certificates.ca}&ssl_verify_cert=true&ssl_verify_identity=true"
    db = datastore(url=secured)
    assert (db.engine, db.options["sslmode"]) == ("tidb", "verify-full")
    assert ask(db, driver) == ("app", "shop")
    assert ask(db, driver, SECURED)[1]
    with pytest.raises(Exception, match=REFUSED):
        ask(datastore(url=secured.replace(certificates.ca, certificates.other_ca)), driver)


@pytest.mark.parametrize("driver", ["pymysql", "aiomysql"])
def test_the_message_for_an_unreadable_file_has_the_option(datastore, tmp_path, driver):
    broken = tmp_path / "canary.pem"
    broken.write_text("no certificate")
    for path, reason in ((tmp_path / "canary", "No such file"), (broken, "NO_CERTIFICATE")):
        db = datastore(type="mysql", host=HOST, options={"sslmode": "verify-full", "ca": str(path)})
        with pytest.raises(DriverError, match=f"{driver} cannot use the file of `ca`: .*{reason}") as caught:
            db.for_driver(driver)
        assert "canary" not in str(caught.value)
