"""TLS for the drivers that take a context of Python's `ssl`."""

from __future__ import annotations

import ssl

from architect_core.contract import Credentials
from architect_core.exceptions import DriverError
from architect_datastore.tls import VERIFYING


def client_context(db: Credentials, driver: str) -> ssl.SSLContext:
    """Returns the context that Python's `ssl` needs for the options.

    Raises:
        DriverError: a file that an option names cannot be read, or has the wrong content.
    """
    options = db.options
    context = _context(driver, options.get("ca"))
    context.check_hostname = options.get("sslmode") == "verify-full"
    if options.get("sslmode") not in VERIFYING:
        context.verify_mode = ssl.CERT_NONE
    if "certificate" in options:
        try:
            # with no password, OpenSSL would ask for one on the terminal
            context.load_cert_chain(options["certificate"], options.get("key"), password="")
        except (OSError, ValueError) as problem:
            raise DriverError(f"{driver} cannot use the files of `certificate` and `key`: {_reason(problem)}") from None
    return context


def _context(driver: str, ca: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as problem:
        raise DriverError(f"{driver} cannot use the file of `ca`: {_reason(problem)}") from None
    # the default since Python 3.13; it refuses the authorities that MySQL generates
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _reason(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLError):
        return problem.reason or "it is no PEM file"
    return getattr(problem, "strerror", None) or "it cannot be read"
