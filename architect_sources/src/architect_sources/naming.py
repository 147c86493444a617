"""The names of variables and resources for the name of a service or datastore.

A variable's name has capital letters, digits and "_", so "acme/pay-api" and "acme_pay_api" both become ACME_PAY_API.
Names are therefore mapped in this direction only, when they are looked up.
"""

from __future__ import annotations

import re
import threading

from architect_core.exceptions import ConfigError


def variable_stems(name: str) -> list[str]:
    """Returns what the name of a variable for `name` may start with: the whole name, or the part after "/".

    >>> variable_stems("acme/pay-api")
    ['ACME_PAY_API', 'PAY_API']
    """
    forms = (re.sub(r"[^A-Z0-9]", "_", text.upper()) for text in (name, name.rpartition("/")[2]))
    return list(dict.fromkeys(forms))


def resource_names(name: str) -> list[str]:
    """Returns the names of `name` on a platform whose names have no "/", in order of preference.

    >>> resource_names("acme/pay_api")
    ['acme-pay_api', 'acme-pay-api', 'acme_pay_api', 'pay_api', 'pay-api']
    """
    whole, part = name.replace("/", "-"), name.rpartition("/")[2]
    forms = [form for text in (whole, part) for form in (text, text.replace("_", "-"), text.replace("-", "_"))]
    return list(dict.fromkeys(forms))


class Claims:
    """The name that each variable was read for; two names must not lead to one variable or resource."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def claim(self, variable: str, name: str) -> None:
        """Records that `variable` was read for `name`.

        Raises:
            ConfigError: it was read for another name before.
        """
        with self._lock:
            other = self._names.setdefault(variable, name)
        if other != name:
            raise ConfigError(
                variable if " " in variable or "/" in variable else f"the environment variable {variable}",
                [("", f"is meant for {other!r} and for {name!r}. Configure one of them in ARCHITECT, or rename one")],
            )
