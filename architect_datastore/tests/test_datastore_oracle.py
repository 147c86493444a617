"""Oracle: URLs and connect strings, as python-oracledb, SQLAlchemy and Django have them."""

from __future__ import annotations

import contextlib
import gc
import pickle
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import oracledb
import pytest
import sqlalchemy
from datastore_certificates import Files
from datastore_connecting import django_connection
from datastore_reading import credentials

from architect_core.exceptions import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see `secure`

LOGIN = {"username": "u", "password": "p"}
SERVICE = "(CONNECT_DATA=(SERVICE_NAME=s))"
ADDRESS = "(ADDRESS=(PROTOCOL=tcp)(HOST=h)(PORT=1521))"
SECURE = "(ADDRESS=(PROTOCOL=tcps)(HOST=h)(PORT=1521))"
MATCHED = "(SECURITY=(SSL_SERVER_DN_MATCH=ON))"
# a URL -> the connect string that the driver makes of its arguments, or the one that it is given
URLS = {
    "oracle://u:p@h/s": f"(DESCRIPTION={ADDRESS}{SERVICE})",  # Aspire, java-cfenv
    "oracle+oracledb://u:p@h/s": f"(DESCRIPTION={ADDRESS}(CONNECT_DATA=(SID=s)))",  # SQLAlchemy
    "oracle+cx_oracle://u:p@h/s": f"(DESCRIPTION={ADDRESS}(CONNECT_DATA=(SID=s)))",
    "oracle+oracledb://u:p@h?service_name=s": f"(DESCRIPTION={ADDRESS}{SERVICE})",  # SQLAlchemy
    "oracle+oracledb_async://u:p@h/?service_name=s": f"(DESCRIPTION={ADDRESS}{SERVICE})",
    "oracle://u:p@h?sid=s": f"(DESCRIPTION={ADDRESS}(CONNECT_DATA=(SID=s)))",
    "oracle://u:p@tns.world": "tns.world",  # SQLAlchemy, django-environ
    "oracle+oracledb://u:p@tns?config_dir=/x": "tns",
    "oracle://u:p@/h:1521/s": "h:1521/s",  # dj-database-url
    "oracle://u:p@/?dsn=h%2Fs": "h/s",
    "oracle://u:p@h/s?protocol=tcps": f"(DESCRIPTION={SECURE}{SERVICE}{MATCHED})",
    "oracle+tls://u:p@h/s": f"(DESCRIPTION={SECURE}{SERVICE}{MATCHED})",
    "oracle://u:p@h/s?ssl=true": f"(DESCRIPTION={SECURE}{SERVICE}{MATCHED})",
    "oracle://u:p@h/s?sslmode=verify-ca": f"(DESCRIPTION={SECURE}{SERVICE}(SECURITY=))",
    "oracle://u:p@h/s?protocol=tcps&ssl_server_dn_match=no": f"(DESCRIPTION={SECURE}{SERVICE}(SECURITY=))",
    "oracle://u:p@h/s?protocol=tcp": f"(DESCRIPTION={ADDRESS}{SERVICE})",
    "oracle://u:p@h/s?wallet_location=/w": f"(DESCRIPTION={SECURE}{SERVICE}{MATCHED[:-1]}(MY_WALLET_DIRECTORY=/w)))",
    "oracle+tls://u:p@/h:1521/s": "tcps://h:1521/s",
    "oracle://u:p@/tcps:%2F%2Fh:1521/s?ssl=true": "tcps://h:1521/s",
    "oracle://u:p@[::1]:1/s": f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=::1)(PORT=1)){SERVICE})",
    "oracle://u:p@h/s?retry_count=3&retry_delay=2": f"(DESCRIPTION=(RETRY_COUNT=3)(RETRY_DELAY=2){ADDRESS}{SERVICE})",
    "oracle://u:p@h/s?tcp_connect_timeout=5": f"(DESCRIPTION=(TRANSPORT_CONNECT_TIMEOUT=5){ADDRESS}{SERVICE})",
    "oracle://u:p@a:1,b:2/s": (
        f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=a)(PORT=1))(ADDRESS=(PROTOCOL=tcp)(HOST=b)(PORT=2)){SERVICE})"
    ),
}


def connect_string(arguments: dict[str, Any]) -> str:
    """Returns what the driver's own parser makes of arguments."""
    rest = {key: value for key, value in arguments.items() if key != "dsn"}
    parameters = oracledb.ConnectParams(**rest)  # which refuses unknown arguments
    return arguments.get("dsn") or parameters.get_connect_string()


@pytest.mark.parametrize("url", URLS)
def test_the_driver_reads_in_its_arguments_what_a_url_means(url):
    db = credentials(url=url)
    for each in (db, credentials(url=db.url), pickle.loads(pickle.dumps(db))):
        arguments = each.for_driver("oracledb")
        assert connect_string(arguments) == URLS[url]
        assert (arguments["user"], arguments["password"]) == ("u", "p")


@pytest.mark.parametrize("url", URLS)
def test_sqlalchemy_hands_the_driver_the_same_arguments(url):
    db = credentials(url=url)
    given = db.for_driver("sqlalchemy")
    engine = sqlalchemy.create_engine(**given)
    _, arguments = engine.dialect.create_connect_args(engine.url)
    assert {**arguments, **given["connect_args"]} == db.for_driver("oracledb")


@pytest.mark.parametrize("url", URLS)
def test_django_s_name_is_a_connect_string_for_the_same_server(url):
    entry = credentials(url=url).for_driver("django")
    assert (entry["ENGINE"], entry["HOST"], entry["PORT"]) == ("django.db.backends.oracle", "", "")
    assert (entry["USER"], entry["PASSWORD"]) == ("u", "p")
    parameters = oracledb.ConnectParams(**entry["OPTIONS"])
    if not entry["NAME"].startswith("("):
        assert entry["NAME"] == URLS[url]
        return
    parameters.parse_connect_string(entry["NAME"])
    expected = oracledb.ConnectParams(**entry["OPTIONS"])
    expected.parse_connect_string(URLS[url])
    assert parameters.get_connect_string() == expected.get_connect_string()


def test_oraclegis_has_django_s_geographic_backend():
    assert (
        credentials(url="oraclegis://u@h/s").for_driver("django")["ENGINE"] == "django.contrib.gis.db.backends.oracle"
    )


# an entry -> the URL written
ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"host": "h", "name": "s"}, "oracle://h:1521/?service_name=s"),
    ({"host": "h", "service_name": "s"}, "oracle://h:1521/?service_name=s"),
    ({"host": "h", "serviceName": "s"}, "oracle://h:1521/?service_name=s"),
    ({"host": "h", "sid": "X"}, "oracle://h:1521/?sid=X"),
    ({"host": "h", "options": {"sid": "X"}}, "oracle://h:1521/?sid=X"),
    ({"host": "h"}, "oracle://h:1521/"),
    ({"dsn": "h/s", "username": "u"}, "oracle://u@/?dsn=h%2Fs"),
    ({"dsn": "//h/s", "use_tls": True}, "oracle:///?protocol=tcps&dsn=tcps%3A%2F%2Fh%2Fs"),
    ({"host": "h", "name": "s", "ssl": True}, "oracle://h:1521/?service_name=s&protocol=tcps"),
    ({"host": "h", "name": "s", "port": 1, "tls_port": 2}, "oracle://h:2/?service_name=s&protocol=tcps"),
    ({"connection_string": "User Id=u;Password=p;Data Source=h:1/s"}, "oracle://u:p@h:1/?service_name=s"),
    ({"connection_string": "User Id=u;Data Source=tcps://h:1/s"}, "oracle://u@/?dsn=tcps%3A%2F%2Fh%3A1%2Fs"),
    (
        {"connection_string": f"User Id=u;Data Source=(DESCRIPTION={SERVICE})"},
        "oracle://u@/?dsn=%28DESCRIPTION%3D%28CONNECT_DATA%3D%28SERVICE_NAME%3Ds%29%29%29",
    ),
]


@pytest.mark.parametrize(("entry", "url"), ENTRIES)
def test_an_entry_has_the_keys_that_platforms_and_drivers_use(entry, url):
    db = credentials(**({} if "connection_string" in entry else {"type": "oracle"}), **entry)
    assert (db.engine, db.url, credentials(url=db.url).url) == ("oracle", url, url)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "oracle"},
        {"url": "oracle://"},
        {"type": "oracle", "host": "h", "name": "canary b"},
        {"type": "oracle", "host": "h)(canary=1", "name": "s"},
        {"type": "oracle", "host": "h", "name": "canary", "options": {"sid": "x"}},
        {"url": "oracle+oracledb://u:canary@h/a%28b"},
        {"url": "oracle+tls://u:canary@alias"},  # whose protocol is in tnsnames.ora
        {"url": "oracle+tls://u:canary@/tcp:%2F%2Fh/s"},
        {"url": "oracle+tls://u:canary@h/s?protocol=tcp"},
        {"type": "oracle", "dsn": f"(DESCRIPTION={ADDRESS}{SERVICE})", "ssl": True, "password": "canary"},
        {"url": "oracle+foo://u:canary@h/s"},
        {"type": "oracle", "host": "h", "options": {"wallet_pasword": "canary"}},
    ],
)
def test_a_wrong_entry_is_an_error_that_repeats_no_value(entry):
    with pytest.raises(ConfigError) as caught:
        credentials(**entry)
    assert "canary" not in str(caught.value).replace("canary)(", "")


def test_a_wallet_s_password_is_in_no_repr():
    db = credentials(url="oracle://u:canary@h/s?wallet_location=/w&wallet_password=canary")
    assert "canary" not in repr(db)
    assert db.for_driver("oracledb")["wallet_password"] == "canary"


@contextlib.contextmanager
def listener(certificates: Files) -> Iterator[tuple[int, list[bytes]]]:
    """A server that does the handshake of TLS, and keeps what each connection that gets so far sends first."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(accepted: socket.socket) -> None:
            data = b""
            with contextlib.suppress(OSError), accepted, context.wrap_socket(accepted, server_side=True) as end:
                while b"CONNECT_DATA" not in data and (more := end.recv(65536)):
                    data += more  # a long connect string has a packet of its own
                received.append(data)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], received
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(30)


@pytest.fixture(scope="module")
def server(certificates: Files) -> Iterator[tuple[int, list[bytes]]]:
    with listener(certificates) as each:
        yield each


@pytest.fixture
def secure(server: tuple[int, list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Collects the sockets that the driver leaves open where a host does not match: no later test is to be warned."""
    yield server
    gc.collect()


def connected(db: Any, received: list[bytes]) -> tuple[bytes, str]:
    """Returns what the server got through TLS, and the driver's error."""
    del received[:]
    with pytest.raises(oracledb.Error) as caught:
        oracledb.connect(**db.for_driver("oracledb"))
    return b"".join(received), str(caught.value)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_the_driver_connects_with_tls_and_sends_the_service(secure, certificates, mode):
    port, received = secure
    options = {"sslmode": mode, **({"ca": certificates.ca} if mode != "require" else {})}
    for place in ({"host": "localhost", "port": port, "name": "s"}, {"dsn": f"localhost:{port}/s"}):
        db = credentials(type="oracle", options=options, **LOGIN, **place)
        got, _ = connected(db, received)
        assert b"(SERVICE_NAME=s)" in got
        assert b"(PROTOCOL=tcps)" in got


def test_a_certificate_of_another_authority_or_host_is_refused(secure, certificates):
    port, received = secure
    entry = {"type": "oracle", "name": "s", "port": port, **LOGIN}
    for wrong in ({"options": {"ca": certificates.other_ca}}, {"ssl": True}):
        got, error = connected(credentials(host="localhost", **entry, **wrong), received)
        assert (got, "CERTIFICATE_VERIFY_FAILED" in error) == (b"", True)
    # the driver looks for an address among the names
    db = credentials(host="127.0.0.1", **entry, options={"ca": certificates.ca})
    assert "does not match the expected value" in connected(db, received)[1]
    db = credentials(host="127.0.0.1", **entry, options={"ca": certificates.ca, "sslmode": "verify-ca"})
    assert b"(SERVICE_NAME=s)" in connected(db, received)[0]


def test_a_wallet_has_the_authorities(secure, certificates, tmp_path):
    port, received = secure
    shutil.copy(certificates.ca, tmp_path / "ewallet.pem")
    url = f"oracle://u:p@localhost:{port}/s?wallet_location={tmp_path}"
    assert b"(SERVICE_NAME=s)" in connected(credentials(url=url), received)[0]


def test_django_connects_with_tls_and_sends_the_sid(secure, certificates):
    port, received = secure
    db = credentials(type="oracle", host="localhost", port=port, sid="X", **LOGIN, options={"ca": certificates.ca})
    del received[:]
    with pytest.raises(Exception, match="DPY-"):
        django_connection(db.for_driver("django")).connect()
    assert b"(SID=X)" in b"".join(received)
