"""Where architect reads a text otherwise than a peer, and why; the documentation shows this list."""

from __future__ import annotations

import re

from url_peers.comparing import ACCEPTED, ANY, REFUSED, Case, Difference, overrides, refusal
from url_peers.differences_of_servers import SERVERS

_RFC = "https://www.rfc-editor.org/rfc/rfc3986"
_LIBPQ = "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS"


def _has_reserved(case: Case) -> bool:
    return refusal("it has an '@' after a '/'", "it has a ';'")(case) or (
        "#" in case.text and "this is no URL" in case.error
    )


def _ends_with_slash(case: Case) -> bool:
    return case.location.endswith("/")


def _has_plus(case: Case) -> bool:
    plain = {key: value.replace("+", " ") if isinstance(value, str) else value for key, value in case.theirs.items()}
    return "+" in case.text.partition("?")[2] and plain == {
        key: value.replace("+", " ") if isinstance(value, str) else value for key, value in case.ours.items()
    }


EVERY = (
    Difference(
        peers=("",),  # all
        fields=(REFUSED,),
        when=_has_reserved,
        what="`/`, `?`, `#` and `;` in a user name or password must be percent-encoded, and so must `;` in a name",
        reason="RFC 3986 reserves them; a password with one may be cut in two, and its end be sent as a host.",
        link=f"{_RFC}#section-3.2.1",
        example="postgresql+psycopg://u:p/w@h/d",
    ),
    Difference(
        peers=("SQLAlchemy", "asyncpg", "libpq", "dj-database-url", "django-environ"),
        fields=("dbname", "database", "NAME"),
        when=_ends_with_slash,
        what="a `/` at the end of the path is no part of the name",
        reason="Tools add one; a name that has one is percent-encoded.",
        link=f"{_RFC}#section-6.2.4",
        example="postgresql+psycopg://h/d/",
    ),
    Difference(
        peers=("kombu, Redis", "aio-pika", "clickhouse-connect", "redis"),
        fields=(REFUSED,),
        when=refusal(
            "has options of TLS, and a scheme without",
            "has no meaning if TLS is off",
            "a scheme that asks for TLS, and an option",
        ),
        what="options of TLS contradict a scheme without TLS",
        reason="One of both is a mistake, and the peers ignore the option, or the scheme.",
        link="https://www.iana.org/assignments/uri-schemes/prov/rediss",
        example="redis://h?ssl_cert_reqs=none",
    ),
    Difference(
        peers=("redis-py", "aio-pika", "PyMongo"),
        fields=(REFUSED,),
        when=lambda case: "without" in case.error and "key" in case.error,
        what="a client's key without its certificate is an error",
        reason="The peers fail with it when they connect, or ignore it.",
        link="https://docs.python.org/3/library/ssl.html#ssl.SSLContext.load_cert_chain",
        example="rediss://h?ssl_keyfile=/client.key",
    ),
)

POSTGRESQL = (
    Difference(
        peers=("libpq, URLs",),
        fields=ANY,
        when=_has_plus,
        what="a `+` in the query is a space",
        reason="SQLAlchemy, asyncpg and dj-database-url read it so; libpq does not. `%20` and `%2B` are unambiguous.",
        link="https://url.spec.whatwg.org/#urlencoded-parsing",
        example="postgresql://h?application_name=a+b",
    ),
    Difference(
        peers=("libpq, URLs",),
        fields=(REFUSED, "sslmode"),
        when=lambda case: {"ssl", "sslmode"} <= case.options,
        what="beside `ssl=true`, `sslmode` counts, and is an error if it does not ask for TLS",
        reason="For libpq the last of both counts, so that their order decides about TLS.",
        link=_LIBPQ,
        example="postgresql://h?ssl=true&sslmode=disable",
    ),
    Difference(
        peers=("libpq, URLs", "asyncpg"),
        fields=(ACCEPTED,),
        when=lambda case: "host" in case.options and "," in case.location,
        what="hosts in the query replace those of the URL, however many these are",
        reason="libpq fails when it connects, as it counts the ports that the URL does not have.",
        link=_LIBPQ,
        example="postgresql://a,b/d?host=c",
    ),
    Difference(
        peers=("libpq, keywords and values",),
        fields=(REFUSED,),
        when=lambda case: ";" in case.text,
        what="a text with a `;` that is not in quotes is a connection string of .NET",
        reason="`Host=h; Port=1; Username=u` is one, which libpq would read as values that end with a `;`.",
        link="https://www.npgsql.org/doc/connection-string-parameters.html",
        example="host=h password=a;b",
    ),
    Difference(
        peers=("asyncpg", "SQLAlchemy, PostgreSQL"),
        fields=("addresses", "user", "password", "database", "sslmode", "port", REFUSED),
        when=overrides,
        what="a field in the query overrides that of the URL, and ports belong to hosts by position",
        reason="It is so in libpq, whose URLs these are; for asyncpg, the URL overrides its query.",
        link=_LIBPQ,
        example="postgresql://u@a/d?host=b",
    ),
    Difference(
        peers=("asyncpg",),
        fields=("password",),
        when=lambda case: case.ours.get("password") == "" and "password" not in case.theirs,
        what="an empty password is a password",
        reason="It keeps a driver from looking for another one in a file or the environment.",
        link=f"{_RFC}#section-3.2.1",
        example="postgresql://u:@h/d",
    ),
    Difference(
        peers=("asyncpg",),
        fields=("addresses", "sslmode"),
        when=lambda case: re.search(r"//([^/?]*@)?:\d", case.location) is not None,
        what="a port without a host is that of the driver's default hosts",
        reason="It is so in libpq; asyncpg has a host with an empty name.",
        link=_LIBPQ,
        example="postgresql://:5433/d",
    ),
    Difference(
        peers=("asyncpg",),
        fields=(ACCEPTED,),
        when=lambda case: "host" in case.options,
        what="an option `host` may be an IPv6 address, and a host of several may have no port",
        reason="It is so in libpq; asyncpg fails to read the address or the empty port.",
        link=_LIBPQ,
        example="postgresql:///d?host=::1",
    ),
    Difference(
        peers=("SQLAlchemy, asyncpg",),
        fields=(ACCEPTED,),
        when=lambda case: bool({"sslmode", "host"} & case.options),
        what="`sslmode` and several hosts are the same for every dialect of PostgreSQL",
        reason="The dialect for asyncpg calls it `ssl`, and omits ports in a way that asyncpg refuses.",
        link="https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#specifying-multiple-fallback-hosts",
        example="postgresql+asyncpg://h/d?sslmode=require",
    ),
)

DJANGO = (
    Difference(
        peers=("django-environ",),
        fields=("HOST", "NAME", "PORT"),
        when=lambda case: re.match(r"\w+://[^/]*/(/|%2F)", case.text) is not None,
        what="a path that starts with `//` is a name, and no socket's folder",
        reason="libpq reads it so. A socket's folder is percent-encoded as the host, or the option `host`.",
        link=_LIBPQ,
        example="postgres:////run/pg/d",
    ),
    Difference(
        peers=("django-environ",),
        fields=("PORT", "HOST"),
        when=lambda case: "," in case.location,
        what="each of several hosts has its own port",
        reason="A port that is missing is the default one, and not that of the next host.",
        link=_LIBPQ,
        example="postgres://a,b:1/d",
    ),
    Difference(
        peers=("django-environ",),
        fields=("tls", "ca", "option ssl-ca"),
        when=lambda case: "ssl-ca" in case.options,
        what="MySQL's options of TLS reach the driver",
        reason="mysqlclient has no argument `ssl-ca`.",
        link="https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html",
        example="mysql://h/d?ssl-ca=/ca.pem",
    ),
    Difference(
        peers=("dj-database-url", "django-environ"),
        fields=("option reconnect",),
        when=lambda case: "reconnect" in case.options,
        what="`reconnect` in a URL of MySQL is ignored",
        reason="Brokers add it for clients in Ruby; no driver of Python has it.",
        link="https://devcenter.heroku.com/articles/cleardb",
        example="mysql://h/d?reconnect=true",
    ),
    Difference(
        peers=("dj-database-url", "django-environ"),
        fields=("option options", "option currentSchema"),
        when=lambda case: "currentSchema" in case.options,
        what="`currentSchema` is added to `options`",
        reason="It is JDBC's name of the search path. dj-database-url replaces `options`, or ignores it for PostGIS; "
        "django-environ passes it to libpq, which refuses it.",
        link="https://jdbc.postgresql.org/documentation/use/#connection-parameters",
        example="postgis://h/d?currentSchema=a",
    ),
    Difference(
        peers=("dj-database-url", "django-environ"),
        fields=("option application_name",),
        when=lambda case: str(case.ours.get("option application_name")).isdigit(),
        what="a text of digits stays one",
        reason="They make it a number, without leading zeros.",
        link="https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-APPLICATION-NAME",
        example="postgres://h/d?application_name=007",
    ),
)

DIFFERENCES = (*EVERY, *POSTGRESQL, *DJANGO, *SERVERS)
