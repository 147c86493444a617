"""Stand-ins for what an application depends on, in the tests of the application.

    def test_an_unpaid_invoice_is_reminded(architect_doubles):
        billing = architect_doubles.service("acme/billing", "rest", {"GET /invoices/7": {"paid": False}})
        letters = architect_doubles.notification("reminder_sent", schema=Reminder)
        architect_doubles.datastore("primary_db", type="sqlite", name=":memory:")
        remind(7)  # the application, which asks architect.sdk
        assert [each.path_url for each in billing.requests] == ["/invoices/7"]
        assert letters.events == [{"invoice": 7}]

pytest finds the fixture `architect_doubles` by itself; `Doubles` is the same for any other test framework. Importing
this package imports nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from architect.testing.doubles import Doubles
    from architect.testing.errors import NoDoubleError, UnfitEventError
    from architect.testing.events import RecordedNotification

_HOMES = {
    "Doubles": "doubles",
    "NoDoubleError": "errors",
    "RecordedNotification": "events",
    "UnfitEventError": "errors",
}

__all__ = ["Doubles", "NoDoubleError", "RecordedNotification", "UnfitEventError"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
