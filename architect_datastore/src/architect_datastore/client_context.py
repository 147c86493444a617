"""TLS for the drivers that take a context of Python's `ssl`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from architect_core.exceptions import DriverError
from architect_datastore.tls import VERIFYING

if TYPE_CHECKING:
    from architect_core.contract import Credentials


def client_context(db: Credentials, driver: str) -> ssl.SSLContext:
    """What Python's `ssl` does as the options say.

    Raises:
        DriverError: a file that an option names cannot be read, or is not what it should be.
    """
    options = db.options
    context = _context(driver, options.get("ca"))
    context.check_hostname = options.get("sslmode") == "verify-full"
    if options.get("sslmode") not in VERIFYING:
        context.verify_mode = ssl.CERT_NONE
    if "certificate" in options:
        reason = ""
        try:
            # without a password: OpenSSL would ask for one on the terminal
            context.load_cert_chain(options["certificate"], options.get("key"), password="")
        except (OSError, ValueError) as problem:
            reason = _reason(problem)
        if reason:
            raise DriverError(f"{driver} cannot be given the files of `certificate` and `key`: {reason}")
    return context


def _context(driver: str, ca: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as problem:
        reason = _reason(problem)
    else:
        # since Python 3.13 the default; it refuses authorities as MySQL makes them for itself
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    raise DriverError(f"{driver} cannot be given the file of `ca`: {reason}")


def _reason(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLError):
        return problem.reason or "it is no PEM file"
    return getattr(problem, "strerror", None) or "it cannot be read"
