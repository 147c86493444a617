"""A deadline applies to the calls inside of its block, and to no others."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from freezegun import freeze_time

import architect.sdk as architect


def test_there_is_a_deadline_inside_of_the_block_only():
    assert architect.remaining() is None
    with architect.deadline(5):
        assert 4 < architect.remaining() <= 5
    assert architect.remaining() is None


@pytest.mark.parametrize(("outer", "inner", "most"), [(5, 60, 5), (60, 5, 5)])
def test_of_two_nested_deadlines_the_earlier_one_counts(outer, inner, most):
    with architect.deadline(outer):
        with architect.deadline(inner):
            assert most - 1 < architect.remaining() <= most
        assert outer - 1 < architect.remaining() <= outer


def test_after_the_deadline_the_remaining_seconds_are_negative():
    with architect.deadline(-0.01):
        assert architect.remaining() < 0


def test_an_exception_ends_the_deadline_too():
    with pytest.raises(KeyError), architect.deadline(1):
        raise KeyError
    assert architect.remaining() is None


def test_each_thread_and_task_has_its_own_deadline():
    seen = []
    with architect.deadline(5):
        thread = threading.Thread(target=lambda: seen.append(architect.remaining()))
        thread.start()
        thread.join()

    async def serve(seconds):
        with architect.deadline(seconds):
            await asyncio.sleep(0.01)
            return architect.remaining()

    async def both():
        return await asyncio.gather(serve(5), serve(50))

    few, many = asyncio.run(both())
    assert seen == [None]
    assert few <= 5
    assert many > 40


def test_seconds_that_are_no_number_are_an_error_before_the_block_runs():
    with pytest.raises(TypeError), architect.deadline("5"):
        pytest.fail("it was entered")


def test_a_deadline_passes_in_frozen_time_and_lasts_no_longer_afterwards():
    with freeze_time("2012-01-14"):
        with architect.deadline(0.02):
            threading.Event().wait(0.03)
            assert architect.remaining() < 0
        scope = architect.deadline(5)
        scope.__enter__()
    assert 0 < architect.remaining() <= 5
    scope.__exit__(None, None, None)


def test_the_clock_is_real_even_if_it_is_imported_in_frozen_time():
    program = (
        "import time; from freezegun import freeze_time; real = time.monotonic()\n"
        "with freeze_time('2012-01-14'):\n"
        "    from architect_core.clock import monotonic\n"
        "    assert abs(monotonic() - real) < 60\n"
        "with freeze_time('2012-01-14'):\n"
        "    assert abs(monotonic() - real) < 60\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
