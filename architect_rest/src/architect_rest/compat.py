"""What keeps the examples of architect.sdk 0.2.1's documentation running."""

from __future__ import annotations

from typing import Any


def body(data: Any) -> Any:
    """`data` as requests takes it; the documentation's `{ data }`, which Python reads as a set, as what it holds.

    A set of pairs becomes a form, and one of texts or bytes a body. Requests itself would announce the number of items
    as the body's length.

    >>> body({("amount", 10)}), body({"text"}), body({"amount": 10})
    ([('amount', 10)], b'text', {'amount': 10})
    """
    if not isinstance(data, set | frozenset):
        return data
    if all(isinstance(item, tuple) for item in data):
        return list(data)
    return b"".join(item.encode() if isinstance(item, str) else bytes(memoryview(item)) for item in data)
