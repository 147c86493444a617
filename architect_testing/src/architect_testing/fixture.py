"""The pytest plugin of architect-testing, which gives tests the fixture `architect_doubles`.

While pytest collects tests, an application may look up services that only the tests' doubles will provide. pytest
imports this module in every run where architect-testing is installed, so it imports nothing heavy before the fixture is
used.
`-p no:architect` turns it off.
"""

from __future__ import annotations

import pytest

import architect.sdk  # and not what is in it: that asks the module for names that it loads more for

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from architect_testing.doubles.doubles import Doubles


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Let unknown services be looked up from now on, at most until this run ends, which may collect nothing."""
    architect.sdk.defer_unknown(True)
    early_config.add_cleanup(lambda: architect.sdk.defer_unknown(False))
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """End that when all tests are collected."""
    try:
        return (yield)
    finally:
        architect.sdk.defer_unknown(False)


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
