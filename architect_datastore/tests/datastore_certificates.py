"""Certificates that tests make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Files:
    """Paths of PEM files.

    Attributes:
        ca: of the authority that signed the two below.
        other_ca: of one that signed nothing.
        certificate: the server's, for 127.0.0.1 and localhost.
        key: its key.
        elsewhere: a server's certificate for another host.
        elsewhere_key: its key.
        client: a client's certificate, for the user "certified".
        client_key: its key.
    """

    ca: str
    other_ca: str
    certificate: str
    key: str
    elsewhere: str
    elsewhere_key: str
    client: str
    client_key: str


def make_certificates(folder: Path) -> Files:
    authority, other = trustme.CA(), trustme.CA()
    made = {"ca": authority.cert_pem, "other_ca": other.cert_pem}
    certificates = {
        ("certificate", "key"): authority.issue_cert("127.0.0.1", "localhost"),
        ("elsewhere", "elsewhere_key"): authority.issue_cert("elsewhere.example"),
        ("client", "client_key"): authority.issue_cert("certified@example", common_name="certified"),
    }
    for (certificate, key), issued in certificates.items():
        made |= {certificate: issued.cert_chain_pems[0], key: issued.private_key_pem}
    paths = {}
    for name, blob in made.items():
        path = folder / f"{name}.pem"
        blob.write_to_path(path)
        path.chmod(0o600 if "key" in name else 0o644)
        paths[name] = str(path)
    return Files(**paths)
