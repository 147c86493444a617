"""The pytest plugin of architect-testing, which gives tests the fixture `architect_doubles`.

While pytest collects tests, an application may look up services that only the tests' doubles will provide. pytest
imports this module in every run where architect-testing is installed, so it imports nothing heavy before the fixture is
used.
`-p no:architect` turns it off.
"""

from __future__ import annotations

import pytest

from architect.sdk import defer_unknown

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from architect_testing.doubles.doubles import Doubles


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None]:
    """Let unknown services be looked up from now on."""
    defer_unknown(True)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """End that when all tests are collected."""
    try:
        return (yield)
    finally:
        defer_unknown(False)


@pytest.fixture
def architect_doubles(request: pytest.FixtureRequest) -> Iterator[Doubles]:
    """Doubles of the application's dependencies, for this test: an open `architect.testing.Doubles`.

    The tested service is the one whose folder the test's file is in. To name another one, override the fixture:

        @pytest.fixture
        def architect_doubles():
            with Doubles(current_service="acme/reminders") as doubles:
                yield doubles
    """
    from architect_core.contract import search_root
    from architect_testing.doubles.doubles import Doubles

    with Doubles(root=search_root(request.path.parent)) as doubles:
        yield doubles
