"""The pytest plugin of architect-core, which gives tests the fixture `architect_doubles`.

pytest imports this module in every run where architect-core is installed, so it imports nothing of its own before the
fixture is used. `-p no:architect` leaves it out.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Iterator

    from architect.testing.doubles import Doubles


@pytest.fixture
def architect_doubles(request: pytest.FixtureRequest) -> Iterator[Doubles]:
    """Stand-ins for the application's dependencies, for this test: an open `architect.testing.Doubles`.

    The tested service is the one whose folder the test's file is in. To say another, override the fixture:

        @pytest.fixture
        def architect_doubles():
            with Doubles(current_service="acme/reminders") as doubles:
                yield doubles
    """
    from architect.testing.doubles import Doubles
    from architect_core._base.root import search_root

    with Doubles(root=search_root(request.path.parent)) as doubles:
        yield doubles
