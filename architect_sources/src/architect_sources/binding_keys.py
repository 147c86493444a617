"""The keys of a service binding (https://servicebinding.io/spec/core/1.1.0/#well-known-secret-entries)."""

FIELDS = {
    "uri": "url",
    "url": "url",
    "host": "host",
    "hostname": "host",
    "port": "port",
    "username": "username",
    "user": "username",
    "password": "password",
    "database": "name",
    "virtual-host": "name",
    "virtual_host": "name",
    "vhost": "name",
    "name": "name",
}
"""A key -> the field of an entry that takes its content."""

CERTIFICATES = {
    "ca.crt": "ca",
    "ca-certificates": "ca",
    "certificates": "ca",
    "tls.crt": "certificate",
    "certificate": "certificate",
    "tls.key": "key",
    "private-key": "key",
}
"""A key -> the option that takes the path of its file."""

RESERVED = frozenset({"options", "instances", "datastores", "subscriptions"})
"""Keys that are ignored, because these fields of an entry are objects and not text."""
