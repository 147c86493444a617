"""The option `auth`: what is sent as metadata with every call."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from architect_core.contract import Target

# https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: Custom-Metadata, of which -bin is for bytes
_NAME = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]*")

# As metadata, and not as gRPC's call credentials: these run in a thread of their own and cost 70 % of a call.


def auth_metadata(target: Target) -> tuple[tuple[str, str], ...]:
    """Name, in lower case, and value of what is sent.

    Raises:
        ConfigError: gRPC can send no such name or value.
    """
    auth = target.options.auth
    if auth is None:
        return ()
    sent: dict[str, str] = {}
    for name, value in auth.headers.items():
        if not _NAME.fullmatch(name.lower()):
            raise target.error("options.auth.headers", "has a name that is gRPC's own, or that metadata cannot have")
        sent[name.lower()] = value
    if auth.bearer is not None:
        sent["authorization"] = f"Bearer {auth.bearer}"
    if auth.username is not None:
        sent["authorization"] = "Basic " + b64encode(f"{auth.username}:{auth.password}".encode()).decode()
    for name, value in sent.items():
        if not _VALUE.fullmatch(value):
            field = "headers" if name != "authorization" or auth.bearer is None else "bearer"
            raise target.error(f"options.auth.{field}", "has a value that is not printable ASCII")
    return tuple(sent.items())
