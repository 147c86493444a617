"""Doubles of what an application depends on, for the tests of the application.

    def test_an_unpaid_invoice_is_reminded(architect_doubles):
        billing = architect_doubles.service("acme/billing", "rest", {"GET /invoices/7": {"paid": False}})
        letters = architect_doubles.notification("reminder_sent", schema=Reminder)
        architect_doubles.datastore("primary_db", type="sqlite", name=":memory:")
        remind(7)  # the application, which uses architect.sdk
        assert [each.path_url for each in billing.requests] == ["/invoices/7"]
        assert letters.events == [{"invoice": 7}]

pytest finds the fixture `architect_doubles` by itself; `Doubles` is the same for any other test framework. Importing
this package imports nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from architect_testing.doubles.doubles import Doubles
    from architect_testing.doubles.errors import NoDoubleError, UnfitEventError
    from architect_testing.doubles.events import RecordedNotification

_HOMES = {
    "Doubles": "architect_testing.doubles.doubles",
    "NoDoubleError": "architect_testing.doubles.errors",
    "RecordedNotification": "architect_testing.doubles.events",
    "UnfitEventError": "architect_testing.doubles.errors",
}

__all__ = ["Doubles", "NoDoubleError", "RecordedNotification", "UnfitEventError"]


def __getattr__(name: str) -> object:
    from architect_core.lazy import load

    return load(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
