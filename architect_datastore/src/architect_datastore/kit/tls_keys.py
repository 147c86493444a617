"""Keys of an entry that ask for TLS, as platforms, brokers and people write them; as `word` has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TRUE = ("true", "yes", "1", "on")
FALSE = ("false", "no", "0", "off")
TLS_TRANSPORTS = ("tls", "ssl", "https", "s")
"""What asks for TLS after a "+" in the scheme of any engine."""

SWITCHES = frozenset({"ssl", "tls", "usessl", "usetls", "requiressl", "sslrequired", "sslenabled", "tlsenabled"})
"""Switches whose values must be on or off, or a mode."""

TLS_PORTS = frozenset(
    {"tlsport", "sslport", "porttls", "portssl", "securetlsport", "secureport", "httpsport", "amqpsport", "redissport"}
)
"""Ports with TLS of a server that has one without, too."""

NO_PORT = (None, "", 0, "0", False, "false")
"""Values of a port that mean that a server does not listen."""

PEM = "-----BEGIN "
CERTIFICATE = f"{PEM}CERTIFICATE-----"
"""What means TLS in the value of any key, such as `KAFKA_TRUSTED_CERT`."""

_FILES = {
    "ca": """
        sslrootcert sslca sslcacerts sslcacert sslcafile tlscafile tlsca tlscacert cacerts cacert cacertfile cafile
        cacertificate rootcert rootcertificate ca
        """,
    "certificate": """
        certificate sslcert sslcertfile tlscert tlscertificatekeyfile clientcert clientcertificate certfile
        """,
    "key": "sslkey sslkeyfile tlskey clientkey clientcertkey keyfile",
}
FILES = {name: option for option, names in _FILES.items() for name in names.split()}
"""A key for a file of TLS in the clients of any engine -> our option."""

MODES = {
    **dict.fromkeys(("disable", "disabled", "none"), "disable"),
    "allow": "allow",
    **dict.fromkeys(("prefer", "preferred"), "prefer"),
    **dict.fromkeys(("require", "required"), "require"),
    "verifyca": "verify-ca",
    **dict.fromkeys(("verifyfull", "verifyidentity"), "verify-full"),
}
"""The words for a mode of TLS, as `word` has them -> our `sslmode`."""

_SEPARATORS = str.maketrans("", "", " ._-")
_SWITCH = re.compile(
    "(?=.*(?:ssl|tls|https|secure|encrypt))"
    "(?:ssl|tls|https|secured?|encrypt(?:ed)?|use|enabled?|required?|forced?|with|is|on|only|mode|connection|over)+"
)
_ON = frozenset({*TRUE, "enable", "enabled", "mandatory", "strict", "always"})
_TRANSPORT = frozenset({"scheme", "protocol", "securityprotocol", "security", "transport", "connectiontype"})
_SCHEMES = frozenset({"tls", "ssl", "https", "rediss", "valkeys", "amqps", "clickhouses", "mqtts", "wss", "tcps"})


def word(name: str) -> str:
    """Returns a key in lower case, without spaces, ".", "_" and "-"."""
    return name.lower().translate(_SEPARATORS)


def mode_in(key: str, value: object) -> str | None:
    """Returns the `sslmode` that a key of an entry means, "on" if it only asks for TLS, or None.

    >>> mode_in("enable_ssl", "true"), mode_in("tlsMode", "VERIFY_CA"), mode_in("scheme", "amqp+ssl"), mode_in("x", 1)
    ('on', 'verify-ca', 'on', None)
    """
    name, text = word(key), str(value).strip().lower()
    if name in _TRANSPORT:
        transport = re.split(r"[+_]", text)[-1]
        return "on" if text in _SCHEMES or (text != transport and transport in TLS_TRANSPORTS) else None
    if name in TLS_PORTS:
        return None if value in NO_PORT else "on"
    if (name in FILES and PEM in str(value)) or CERTIFICATE in str(value):
        return "on"
    if not _SWITCH.fullmatch(name):
        return None
    if isinstance(value, Mapping):
        return "on" if value else None
    return "on" if text in _ON or PEM in str(value) else MODES.get(word(text))


def asking_for_tls(keys: Mapping[str, Any]) -> str | None:
    """Returns the first key that asks for TLS, or None."""
    weak = {None, "disable", "allow", "prefer"}
    return next((key for key, value in keys.items() if mode_in(key, value) not in weak), None)


def file_of_tls(keys: Mapping[str, Any]) -> str | None:
    """Returns the first key that names a file of TLS, or None."""
    return next((key for key, value in keys.items() if value and FILES.get(word(key), "key") != "key"), None)
