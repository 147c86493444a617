"""The names of variables and resources for the name of a service or datastore.

A variable's name has capital letters, digits and "_", so "acme/pay-api" and "acme_pay_api" both become ACME_PAY_API.
Names are therefore mapped in this direction only, when they are looked up.
"""

from __future__ import annotations

import re


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
