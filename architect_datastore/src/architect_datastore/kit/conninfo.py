"""Connection strings of libpq: keywords and values.

See https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

_PAIR = re.compile(
    r"""[ \t\n\v\f\r]*+([a-z_]+)[ \t\n\v\f\r]*+=[ \t\n\v\f\r]*+
    (?:'(?P<quoted>(?:[^'\\]|\\.)*+)'|(?P<plain>(?!')(?:[^\\; \t\n\v\f\r]|\\.)*+))(?=[ \t\n\v\f\r]|\Z)""",
    re.DOTALL | re.VERBOSE,
)
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_KEYWORDS = frozenset(
    [
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "options",
        "passfile",
        "password",
        "port",
        "replication",
        "require_auth",
        "requirepeer",
        "requiressl",
        "scram_client_key",
        "scram_server_key",
        "service",
        "servicefile",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslkeylogfile",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    ]
)
_ALONE = frozenset({"dbname", "service"})  # no keywords of .NET


def read_conninfo(text: str) -> str | None:
    r"""Returns the URL that means the same, or None if the text is no connection string of libpq.

    >>> read_conninfo(r"host=db user=app password='it\'s'")
    'postgresql:///?host=db&user=app&password=it%27s'
    >>> read_conninfo("Host=db; Username=app") is None
    True

    One pair alone may as well be of .NET, and so may a text with a ";" that is not in quotes.
    """
    found: dict[str, str] = {}
    at, end = 0, len(text.rstrip(" \t\n\v\f\r"))
    pairs = 0
    while at < end:
        pair = _PAIR.match(text, at)
        if pair is None or pair[1] not in _KEYWORDS:
            return None
        value = pair["plain"] if pair["quoted"] is None else pair["quoted"]
        found[pair[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = pair.end()
        pairs += 1
    if pairs < 2 and not found.keys() & _ALONE:
        return None
    return f"postgresql:///?{urlencode(found)}"
